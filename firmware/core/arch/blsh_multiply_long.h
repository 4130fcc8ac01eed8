// SPDX-License-Identifier: Apache-2.0
/* blsh_multiply.h in plain C, by products of 64 bits. A factor is moved to the upper half of a word, so that the result
 * is the upper word of the product. */
#ifndef BLSH_MULTIPLY_LONG_H
#define BLSH_MULTIPLY_LONG_H

static inline int32_t blsh_mul_q16(int32_t value, int32_t factor) { return (int32_t)(((int64_t)value * factor) >> 16); }

static inline int32_t blsh_mul_low(int32_t value, blsh_factors_t factors) {
    return (int32_t)(((int64_t)value * (int32_t)(factors << 16)) >> 32);
}

static inline int32_t blsh_mul_high(int32_t value, blsh_factors_t factors) {
    return (int32_t)(((int64_t)value * (int32_t)(factors & 0xffff0000u)) >> 32);
}

static inline int32_t blsh_add_mul_high(int32_t sum, int32_t value, blsh_factors_t factors) {
    return sum + blsh_mul_high(value, factors);
}

#endif
