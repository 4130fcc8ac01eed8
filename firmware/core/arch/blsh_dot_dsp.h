// SPDX-License-Identifier: Apache-2.0
/* blsh_dot.h by SMLAD: two products of halves of a word at once. */
#ifndef BLSH_DOT_DSP_H
#define BLSH_DOT_DSP_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

static inline int32_t blsh_load_word(const void *from) {
    int32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 1 and 3 of a word, widened. gcc has no intrinsic that turns the word and widens in one instruction; two take
 * 1.2 % of a hop. */
static inline int32_t blsh_widened_odd(int32_t word) {
#if defined(BLSH_ASM_DSP)
    int32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
#else
    return __sxtb16((int32_t)((uint32_t)word >> 8 | (uint32_t)word << 24));
#endif
}

/* sum + the products of four weights, stored 0, 2, 1, 3, with features 0 and 1, and 2 and 3 */
static inline int32_t blsh_dot4_s8(const int8_t *weights, int32_t x01, int32_t x23, int32_t sum) {
    const int32_t word = blsh_load_word(weights);
    return __smlad(blsh_widened_odd(word), x23, __smlad(__sxtb16(word), x01, sum));
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

static inline void blsh_dot2_s8(const int8_t *const row[2], const int16_t *features, unsigned count, int32_t sums[2]) {
    const int8_t *row0 = row[0], *row1 = row[1];
    int32_t first = 0, second = 0;
    for (const int16_t *const end = features + count; features < end; features += 8, row0 += 8, row1 += 8) {
        const int32_t x01 = blsh_load_word(features), x23 = blsh_load_word(features + 2);
        first = blsh_dot4_s8(row0, x01, x23, first);
        second = blsh_dot4_s8(row1, x01, x23, second);
        const int32_t x45 = blsh_load_word(features + 4), x67 = blsh_load_word(features + 6);
        first = blsh_dot4_s8(row0 + 4, x45, x67, first);
        second = blsh_dot4_s8(row1 + 4, x45, x67, second);
    }
    sums[0] = first;
    sums[1] = second;
}

#endif
