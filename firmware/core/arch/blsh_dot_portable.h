// SPDX-License-Identifier: Apache-2.0
/* blsh_dot.h in plain C. */
#ifndef BLSH_DOT_PORTABLE_H
#define BLSH_DOT_PORTABLE_H

#include <stdint.h>

#include "blsh_arch.h"

static inline int32_t blsh_dot_s16(const int16_t *a, const int16_t *b, unsigned count) {
    uint32_t sum = 0;
    BLSH_UNROLL(4)
    for (; count > 0u; count--) { /* without a sign, so that M0 loads them from where a pointer stands */
        sum += (uint32_t)(uint16_t)*a++ * (uint16_t)*b++;
    }
    return (int32_t)sum;
}

static inline int32_t blsh_sum_s16(const int16_t *values, unsigned count) {
    int32_t sum = 0;
    for (const int16_t *const end = values + count; values < end; values++) {
        sum += *values;
    }
    return sum;
}

#if defined(BLSH_SHORT_MULTIPLY)

/* Without carries, which take a compiler more registers than M0 has: sums of the halves of squares. */
static inline uint64_t blsh_squares_s16(const int16_t *values, unsigned count) {
    uint32_t low = 0, high = 0;
    for (; count >= 4u; count -= 4u, values += 4) {
        const int32_t a = values[0], b = values[1], c = values[2], d = values[3];
        const uint32_t two = (uint32_t)(a * a) + (uint32_t)(b * b), more = (uint32_t)(c * c) + (uint32_t)(d * d);
        low += (two & 0xffffu) + (more & 0xffffu);
        high += (two >> 16) + (more >> 16);
    }
    for (; count > 0u; count--, values++) {
        const uint32_t square = (uint32_t)(*values * *values);
        low += square & 0xffffu;
        high += square >> 16;
    }
    return ((uint64_t)high << 16) + low;
}

#else

static inline uint64_t blsh_squares_s16(const int16_t *values, unsigned count) {
    int64_t sum = 0;
    BLSH_UNROLL(4)
    for (const int16_t *const end = values + count; values < end; values++) {
        sum += (int64_t)*values * *values;
    }
    return (uint64_t)sum;
}

#endif

#if defined(BLSH_ASM_UPPER)

/* The products of a feature in %[x] with the weights `at` bytes behind %[w], and 8, 16 and 24 bytes behind that. */
#define BLSH_PRODUCT(sum, at) "ldrb %[p], [%[w], #" #at "]\n\tmuls %[p], %[x]\n\tadd %[" #sum "], %[p]\n\t"
#define BLSH_PRODUCTS(at0, at1, at2, at3)                                                                              \
    BLSH_PRODUCT(a, at0) BLSH_PRODUCT(b, at1) BLSH_PRODUCT(c, at2) BLSH_PRODUCT(d, at3)
#define BLSH_LOAD_FEATURES(at) "ldr %[xx], [%[f], #" #at "]\n\tsxth %[x], %[xx]\n\t"

/* Sums in the upper registers leave the lower ones to what is multiplied. A compiler moves the sums back and forth. */
static inline void blsh_dot4_u8(const uint8_t *weight, const int16_t *features, unsigned count, int32_t sums[4]) {
    const int16_t *const end = features + count;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, x, both, product;
    __asm__(".syntax unified\n\t"
            "1:\n\t" BLSH_LOAD_FEATURES(0) BLSH_PRODUCTS(0, 8, 16, 24) /* features 0, */
            "asrs %[x], %[xx], #16\n\t" BLSH_PRODUCTS(2, 10, 18, 26)   /* 1, */
            BLSH_LOAD_FEATURES(4) BLSH_PRODUCTS(1, 9, 17, 25)          /* 2 */
            "asrs %[x], %[xx], #16\n\t" BLSH_PRODUCTS(3, 11, 19, 27)   /* and so on */
            BLSH_LOAD_FEATURES(8) BLSH_PRODUCTS(4, 12, 20, 28)         /* */
            "asrs %[x], %[xx], #16\n\t" BLSH_PRODUCTS(6, 14, 22, 30)   /* */
            BLSH_LOAD_FEATURES(12) BLSH_PRODUCTS(5, 13, 21, 29)        /* */
            "asrs %[x], %[xx], #16\n\t" BLSH_PRODUCTS(7, 15, 23, 31)   /* */
            "adds %[f], #16\n\t"
            "adds %[w], #32\n\t"
            "cmp %[f], %[end]\n\t"
            "bne 1b"
            : [a] "+h"(sum0), [b] "+h"(sum1), [c] "+h"(sum2), [d] "+h"(sum3), [w] "+l"(weight), [f] "+l"(features),
              [x] "=&l"(x), [xx] "=&l"(both), [p] "=&l"(product)
            : [end] "h"(end)
            : "cc", "memory");
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

#else

/* Adds a feature's products with the weights `place` bytes behind `weight`, of four rows. */
#define BLSH_ADD_PRODUCTS(place, feature)                                                                              \
    do {                                                                                                               \
        const int32_t blsh_x_ = (feature);                                                                             \
        sum0 += weight[place] * blsh_x_;                                                                               \
        sum1 += weight[(place) + 8] * blsh_x_;                                                                         \
        sum2 += weight[(place) + 16] * blsh_x_;                                                                        \
        sum3 += weight[(place) + 24] * blsh_x_;                                                                        \
        BLSH_IN_REGISTERS(sum0, sum1, sum2, sum3);                                                                     \
    } while (0)

static inline void blsh_dot4_u8(const uint8_t *weight, const int16_t *features, unsigned count, int32_t sums[4]) {
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    for (const int16_t *const end = features + count; features < end; features += 8, weight += 32) {
        BLSH_ADD_PRODUCTS(0, features[0]);
        BLSH_ADD_PRODUCTS(2, features[1]);
        BLSH_ADD_PRODUCTS(1, features[2]);
        BLSH_ADD_PRODUCTS(3, features[3]);
        BLSH_ADD_PRODUCTS(4, features[4]);
        BLSH_ADD_PRODUCTS(6, features[5]);
        BLSH_ADD_PRODUCTS(5, features[6]);
        BLSH_ADD_PRODUCTS(7, features[7]);
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

#endif

#endif
