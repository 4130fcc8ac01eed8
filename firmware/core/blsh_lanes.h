/* Bit-sliced arithmetic: each bit of a word is a counter of its own. One word at a time, or four with Helium. */
#ifndef BLSH_LANES_H
#define BLSH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "blsh_fixed.h"
#include "blsh_pairs.h"

#if defined(BLSH_ASM_HELIUM)
#include <arm_mve.h>

#define BLSH_LANES 4u
typedef uint32x4_t blsh_lanes_t;
typedef uint32x4_t blsh_cursor_t; /* where each lane reads */

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return vld1q_u32(words); }
static inline blsh_lanes_t blsh_load_bytes(const uint8_t *bytes) { return vldrbq_u32(bytes); }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { vst1q_u32(words, lanes); }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return vmaxvq_u32(0u, lanes) != 0u; }
static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return vminvq_u32(UINT32_MAX, lanes); }

/* No bit. The compiler would load it, and keep it in one of eight registers. */
static inline blsh_lanes_t blsh_none(void) {
    blsh_lanes_t none;
    __asm__ volatile("vmov.i32 %q0, #0" : "=w"(none));
    return none;
}

/* Rows of `words` words. */
static inline blsh_cursor_t blsh_rows(const uint32_t *base, unsigned words, blsh_lanes_t row) {
    return vaddq_n_u32(vmulq_n_u32(row, 4u * words), (uint32_t)base);
}

/* The words `offset` bytes behind. */
static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return vldrwq_gather_offset_u32((const uint32_t *)offset, cursor);
}

/* The next words, where the cursor moves to. */
static inline blsh_lanes_t blsh_read_next(blsh_cursor_t *cursor) {
    blsh_lanes_t words;
    __asm__("vldrw.u32 %q0, [%q1, #4]!" : "=&w"(words), "+w"(*cursor)); /* with gcc 12 the intrinsic reads twice */
    return words;
}

#else

#define BLSH_LANES 1u
typedef uint32_t blsh_lanes_t;
typedef const uint32_t *blsh_cursor_t;

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return *words; }
static inline blsh_lanes_t blsh_load_bytes(const uint8_t *bytes) { return *bytes; }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { *words = lanes; }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return lanes != 0u; }
static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return lanes; }
static inline blsh_lanes_t blsh_none(void) { return 0; }

/* A row of `words` words. */
static inline blsh_cursor_t blsh_rows(const uint32_t *base, unsigned words, blsh_lanes_t row) {
    return base + words * row;
}

/* The word `offset` bytes behind. */
static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return *(const uint32_t *)(const void *)((const char *)cursor + offset);
}

#endif

/* sum + a in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_half_add(blsh_lanes_t *sum, blsh_lanes_t a) {
    const blsh_lanes_t carry = *sum & a;
    *sum ^= a;
    return carry;
}

/* Place of the lowest bit that is set; word is not 0. */
static inline unsigned blsh_lowest_one(uint32_t word) {
#if defined(__ARM_ARCH) && !defined(__ARM_FEATURE_CLZ)
    unsigned place = 0;
    for (; (word & 0xffu) == 0u; word >>= 8) {
        place += 8u;
    }
    for (; (word & 1u) == 0u; word >>= 1) {
        place++;
    }
    return place;
#else
    return (unsigned)__builtin_ctz(word);
#endif
}

#endif
