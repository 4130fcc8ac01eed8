/* Bit-sliced arithmetic: each bit of a word is a counter of its own. One word at a time, or four with Helium. */
#ifndef BLSH_LANES_H
#define BLSH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

#define BLSH_LANES 4u
typedef uint32x4_t blsh_lanes_t;
typedef uint32x4_t blsh_cursor_t; /* where each lane reads */

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return vld1q_u32(words); }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { vst1q_u32(words, lanes); }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return vmaxvq_u32(0u, lanes) != 0u; }

static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return vminvq_u32(UINT32_MAX, lanes); }

static inline blsh_cursor_t blsh_cursor(const uint32_t *base, blsh_lanes_t offset) {
    return (uint32_t)base + 4u * offset;
}

/* The words `offset` bytes behind. */
static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return vldrwq_gather_offset_u32((const uint32_t *)offset, cursor);
}

/* What is read at `offset` is read after `lanes` are known: the compiler would read ahead more than the eight vector
 * registers hold, and store it. */
#define blsh_keep_order(lanes, a, b) __asm__("" : "+r"(a), "+r"(b), "+w"(lanes))

/* One bit of each lane's number, as all ones or zeros. */
static inline blsh_lanes_t blsh_spread(blsh_lanes_t numbers, unsigned bit) {
    return vreinterpretq_u32_s32(vreinterpretq_s32_u32(numbers << (31u - bit)) >> 31);
}

#else

#define BLSH_LANES 1u
typedef uint32_t blsh_lanes_t;
typedef const uint32_t *blsh_cursor_t;

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return *words; }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { *words = lanes; }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return lanes != 0u; }

static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return lanes; }

static inline blsh_cursor_t blsh_cursor(const uint32_t *base, blsh_lanes_t offset) { return base + offset; }

/* The word `offset` bytes behind. */
static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return *(const uint32_t *)(const void *)((const char *)cursor + offset);
}

#define blsh_keep_order(lanes, a, b) ((void)0)

/* One bit of a number, as all ones or zeros. */
static inline blsh_lanes_t blsh_spread(blsh_lanes_t number, unsigned bit) {
    return (uint32_t)((int32_t)(number << (31u - bit)) >> 31);
}

#endif

/* Two words that follow each other. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2
typedef struct {
    uint32_t word[2];
} blsh_pair_t;

static inline void blsh_load_pair(const uint32_t *words, uint32_t *a, uint32_t *b) {
    __asm__("ldrd %0, %1, %2" : "=r"(*a), "=r"(*b) : "o"(*(const blsh_pair_t *)words)); /* the compiler takes two */
}
#else
static inline void blsh_load_pair(const uint32_t *words, uint32_t *a, uint32_t *b) {
    *a = words[0];
    *b = words[1];
}
#endif

/* sum + a + b in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_full_add(blsh_lanes_t *sum, blsh_lanes_t a, blsh_lanes_t b) {
    const blsh_lanes_t either = *sum ^ a;
    const blsh_lanes_t carry = (*sum & a) | (either & b);
    *sum = either ^ b;
    return carry;
}

/* sum + a */
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
