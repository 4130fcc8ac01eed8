/* Sums of products: the same integers on every core, by whatever it multiplies two or eight at a time with. */
#ifndef BLSH_DOT_H
#define BLSH_DOT_H

#include <stdint.h>
#include <string.h>

#include "blsh_fixed.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#elif defined(BLSH_ASM_DUAL)
static inline uint32_t blsh_load_word(const void *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* sum + the products of the low and of the high halves of a and b */
static inline int32_t blsh_smlad(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + the products of four weights, stored 0, 2, 1, 3, with features 0 and 1, and 2 and 3 */
static inline int32_t blsh_smlad_s8(const int8_t *weights, uint32_t x01, uint32_t x23, int32_t sum) {
    const uint32_t w = blsh_load_word(weights);
    uint32_t w01, w23;
    __asm__("sxtb16 %0, %1" : "=r"(w01) : "r"(w));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(w23) : "r"(w));
    return blsh_smlad(w23, x23, blsh_smlad(w01, x01, sum));
}
#endif

/* sum of a[i] * b[i], i < count, modulo 2^32: weights that no generator makes may leave the range */
static inline int32_t blsh_dot_s16(const int16_t *a, const int16_t *b, unsigned count) {
    int32_t sum = 0;
#if defined(__ARM_FEATURE_MVE)
    for (; count > 0u; count = count > 8u ? count - 8u : 0u) {
        const mve_pred16_t inside = vctp16q(count);
        sum = vmladavaq_s16(sum, vldrhq_z_s16(a, inside), vldrhq_z_s16(b, inside));
        a += 8;
        b += 8;
    }
#else
#if defined(BLSH_ASM_DUAL)
    for (; count >= 2u; count -= 2u) {
        sum = blsh_smlad(blsh_load_word(a), blsh_load_word(b), sum);
        a += 2;
        b += 2;
    }
#endif
    const int16_t *const end = a + count;
    while (a < end) {
        sum = (int32_t)((uint32_t)sum + (uint32_t)(*a++ * *b++));
    }
#endif
    return sum;
}

/* sums[i] = sum of row[i][d] * features[d], d < count; count is a multiple of 8, and rows and features lie on words.
 * Each four weights are stored in the order 0, 2, 1, 3: DSP extensions widen every other byte of a word at once. */
static inline void blsh_dot2_s8(const int8_t *const row[2], const int16_t *features, unsigned count, int32_t sums[2]) {
    const int8_t *row0 = row[0], *row1 = row[1];
    const int16_t *const end = features + count;
    int32_t first = 0, second = 0;
#if defined(__ARM_FEATURE_MVE)
    static const uint16_t order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    const uint16x8_t place = vldrhq_u16(order);
#endif
    while (features < end) {
#if defined(__ARM_FEATURE_MVE)
        const int16x8_t x = vldrhq_gather_shifted_offset_s16(features, place);
        first = vmladavaq_s16(first, vldrbq_s16(row0), x);
        second = vmladavaq_s16(second, vldrbq_s16(row1), x);
        const unsigned step = 8;
#elif defined(BLSH_ASM_DUAL)
        const uint32_t x01 = blsh_load_word(features), x23 = blsh_load_word(features + 2);
        first = blsh_smlad_s8(row0, x01, x23, first);
        second = blsh_smlad_s8(row1, x01, x23, second);
        const uint32_t x45 = blsh_load_word(features + 4), x67 = blsh_load_word(features + 6);
        first = blsh_smlad_s8(row0 + 4, x45, x67, first);
        second = blsh_smlad_s8(row1 + 4, x45, x67, second);
        const unsigned step = 8;
#else
        const int32_t x0 = features[0], x1 = features[1], x2 = features[2], x3 = features[3];
        first += row0[0] * x0 + row0[2] * x1 + row0[1] * x2 + row0[3] * x3;
        second += row1[0] * x0 + row1[2] * x1 + row1[1] * x2 + row1[3] * x3;
        const unsigned step = 4;
#endif
        features += step;
        row0 += step;
        row1 += step;
    }
    sums[0] = first;
    sums[1] = second;
}

/* The modulus of re + j im within 0.43 %, times 2^14: the largest projection on three directions between the axis of the
 * larger part and the diagonal (SPEC.md, 5). Parts are 0 to 2^14 - 1. */
static inline int32_t blsh_modulus_q14(int32_t re, int32_t im) {
#if defined(BLSH_ASM_DUAL) && !defined(__ARM_FEATURE_MVE)
    uint32_t both;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(both) : "r"(re), "r"(im));
    both = re < im ? both >> 16 | both << 16 : both;
    int32_t flat, middle, steep;
    __asm__("smuad %0, %1, %2" : "=r"(flat) : "r"(both), "r"(2148u << 16 | 16314u));
    __asm__("smuad %0, %1, %2" : "=r"(middle) : "r"(both), "r"(6297u << 16 | 15202u));
    __asm__("smuad %0, %1, %2" : "=r"(steep) : "r"(both), "r"(10017u << 16 | 13054u));
#else
    const int32_t a = re > im ? re : im, b = re + im - a;
    const int32_t flat = blsh_factor(16314) * a + blsh_factor(2148) * b;
    const int32_t middle = blsh_factor(15202) * a + blsh_factor(6297) * b;
    const int32_t steep = blsh_factor(13054) * a + blsh_factor(10017) * b;
#endif
    const int32_t largest = flat > middle ? flat : middle;
    return largest > steep ? largest : steep;
}

#if defined(__ARM_FEATURE_MVE)
/* The same of four at once; val[0] are the real parts. */
static inline int32x4_t blsh_moduli_q14(int32x4x2_t z) {
    const int32x4_t a = vmaxq_s32(z.val[0], z.val[1]), b = vminq_s32(z.val[0], z.val[1]);
    const int32x4_t flat = vmlaq_n_s32(vmulq_n_s32(a, 16314), b, 2148);
    const int32x4_t middle = vmlaq_n_s32(vmulq_n_s32(a, 15202), b, 6297);
    const int32x4_t steep = vmlaq_n_s32(vmulq_n_s32(a, 13054), b, 10017);
    return vmaxq_s32(vmaxq_s32(flat, middle), steep);
}
#endif

#endif
