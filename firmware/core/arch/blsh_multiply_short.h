// SPDX-License-Identifier: Apache-2.0
/* blsh_multiply.h in plain C, by products of 32 bits: value = 2^16 high + low, and only the product by `low`, which is
 * below 2^31 in magnitude, is shifted. */
#ifndef BLSH_MULTIPLY_SHORT_H
#define BLSH_MULTIPLY_SHORT_H

static inline int32_t blsh_mul_q16(int32_t value, int32_t factor) {
    return (value >> 16) * factor + (((value & 0xffff) * factor) >> 16);
}

static inline int32_t blsh_mul_low(int32_t value, blsh_factors_t factors) {
    return blsh_mul_q16(value, blsh_low_factor(factors));
}

static inline int32_t blsh_mul_high(int32_t value, blsh_factors_t factors) {
    return blsh_mul_q16(value, blsh_high_factor(factors));
}

static inline int32_t blsh_add_mul_high(int32_t sum, int32_t value, blsh_factors_t factors) {
    return sum + blsh_mul_high(value, factors);
}

#endif
