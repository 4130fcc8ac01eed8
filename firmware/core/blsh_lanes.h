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

/* the same word, all zeros or all ones, in each lane: each of its bytes, widened with its sign */
static inline blsh_lanes_t blsh_mask_lanes(const uint32_t *word) {
    return vreinterpretq_u32_s32(vldrbq_s32((const int8_t *)word));
}
static inline bool blsh_all_set(blsh_lanes_t lanes) { return vminvq_u32(UINT32_MAX, lanes) == UINT32_MAX; }

static inline bool blsh_any_set(blsh_lanes_t lanes) { return vmaxvq_u32(0u, lanes) != 0u; }

static inline blsh_cursor_t blsh_cursor(const uint32_t *base, blsh_lanes_t offset) {
    return (uint32_t)base + 4u * offset;
}
#define blsh_read(cursor, place) vldrwq_gather_base_u32(cursor, 4 * (int)(place))
static inline blsh_cursor_t blsh_advance(blsh_cursor_t cursor, uint32_t words) { return cursor + 4u * words; }

#else

#define BLSH_LANES 1u
typedef struct {
    uint32_t word[2];
} blsh_pair_t;
typedef uint32_t blsh_lanes_t;
typedef const uint32_t *blsh_cursor_t;

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return *words; }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { *words = lanes; }
static inline blsh_lanes_t blsh_mask_lanes(const uint32_t *word) { return *word; }
static inline bool blsh_all_set(blsh_lanes_t lanes) { return lanes == UINT32_MAX; }
static inline blsh_cursor_t blsh_cursor(const uint32_t *base, blsh_lanes_t offset) {
    return base + offset;
}
#define blsh_read(cursor, place) ((cursor)[place])
static inline blsh_cursor_t blsh_advance(blsh_cursor_t cursor, uint32_t words) { return cursor + words; }

#endif

/* One bit of each lane's number, as all ones or zeros. */
static inline blsh_lanes_t blsh_spread(blsh_lanes_t numbers, unsigned bit) {
    return 0u - (numbers >> bit & 1u);
}

/* A plane, turned so that its ones are where entries differ from the code. */
static inline blsh_lanes_t blsh_difference(blsh_cursor_t at, const uint32_t *flip) {
    return blsh_read(at, 0) ^ blsh_mask_lanes(flip);
}

/* Likewise planes `place` and `place` + 1, into *a and *b; `place` is a constant. */
#if BLSH_LANES == 1u && defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2
static inline void blsh_differences(blsh_cursor_t at, const uint32_t *flip, unsigned place, blsh_lanes_t *a,
                                    blsh_lanes_t *b) {
    uint32_t first, second; /* two words in one instruction, which the compiler does not see */
    __asm__("ldrd %0, %1, %2" : "=r"(*a), "=r"(*b) : "o"(*(const blsh_pair_t *)(at + place)));
    __asm__("ldrd %0, %1, %2" : "=r"(first), "=r"(second) : "o"(*(const blsh_pair_t *)(flip + place)));
    *a ^= first;
    *b ^= second;
}
#else
#define blsh_differences(at, flip, place, a, b) \
    (*(a) = blsh_read(at, place) ^ blsh_mask_lanes((flip) + (place)), \
     *(b) = blsh_read(at, (place) + 1) ^ blsh_mask_lanes((flip) + (place) + 1))
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
