// SPDX-License-Identifier: Apache-2.0
/* blsh_dot.h by SMLAD: two products of halves of a word at once. */
#ifndef BLSH_DOT_DSP_H
#define BLSH_DOT_DSP_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

#include "blsh_pairs.h"

static inline int32_t blsh_load_word(const void *from) {
    int32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 0 and 2 of a word, each in a half. */
static inline int32_t blsh_even_bytes(uint32_t word) { return (int32_t)(word & 0x00ff00ffu); }

/* Bytes 1 and 3. One instruction turns the word and widens; a compiler that is not told so takes two. */
static inline int32_t blsh_odd_bytes(uint32_t word) {
#if defined(BLSH_ASM_DSP)
    int32_t result;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
#else
    return blsh_even_bytes(word >> 8);
#endif
}

/* sum + the products of four weights, stored 0, 2, 1, 3, with features 0 and 1, and 2 and 3 */
static inline int32_t blsh_add4_u8(int32_t sum, uint32_t weights, uint32_t x01, uint32_t x23) {
    return __smlad(blsh_odd_bytes(weights), (int32_t)x23, __smlad(blsh_even_bytes(weights), (int32_t)x01, sum));
}

static inline int32_t blsh_dot_s16(const int16_t *a, const int16_t *b, unsigned count) {
    int32_t sum = 0;
    for (; count >= 2u; count -= 2u) {
        sum = __smlad(blsh_load_word(a), blsh_load_word(b), sum);
        a += 2;
        b += 2;
    }
    return count == 0u ? sum : (int32_t)((uint32_t)sum + (uint32_t)(*a * *b));
}

static inline int32_t blsh_sum_s16(const int16_t *values, unsigned count) {
    int32_t sum = 0;
    for (const int16_t *const end = values + count; values < end; values += 2) {
        sum = __smlad(blsh_load_word(values), 0x00010001, sum);
    }
    return sum;
}

static inline uint64_t blsh_squares_s16(const int16_t *values, unsigned count) {
    int64_t sum = 0;
    for (; count >= 16u; count -= 16u) {
        BLSH_UNROLL(8)
        for (const int16_t *const end = values + 16; values < end; values += 2) {
            const int32_t two = blsh_load_word(values);
            sum = __smlald(two, two, sum);
        }
    }
    for (; count > 0u; count--, values++) {
        sum += *values * *values;
    }
    return (uint64_t)sum;
}

/* sum + the products of eight weights and as many features, which are in four words */
static inline int32_t blsh_add8_u8(int32_t sum, const uint8_t *weight, uint32_t x01, uint32_t x23, uint32_t x45,
                                   uint32_t x67) {
    uint32_t low, high;
    blsh_load_pair(weight, &low, &high);
    return blsh_add4_u8(blsh_add4_u8(sum, low, x01, x23), high, x45, x67);
}

static inline void blsh_dot4_u8(const uint8_t *weight, const int16_t *features, unsigned count, int32_t sums[4]) {
    int32_t first = 0, second = 0, third = 0, fourth = 0;
    for (const int16_t *const end = features + count; features < end; features += 8, weight += 32) {
        uint32_t x01, x23, x45, x67;
        blsh_load_pair(features, &x01, &x23);
        blsh_load_pair(features + 4, &x45, &x67);
        first = blsh_add8_u8(first, weight, x01, x23, x45, x67);
        BLSH_IN_REGISTERS(first, second, third, fourth);
        second = blsh_add8_u8(second, weight + 8, x01, x23, x45, x67);
        BLSH_IN_REGISTERS(first, second, third, fourth);
        third = blsh_add8_u8(third, weight + 16, x01, x23, x45, x67);
        BLSH_IN_REGISTERS(first, second, third, fourth);
        fourth = blsh_add8_u8(fourth, weight + 24, x01, x23, x45, x67);
        BLSH_IN_REGISTERS(first, second, third, fourth);
    }
    sums[0] = first;
    sums[1] = second;
    sums[2] = third;
    sums[3] = fourth;
}

#endif
