// SPDX-License-Identifier: Apache-2.0
/* blsh_multiply.h by SMULWB, SMULWT and SMLAWT: a word by one half of another, in one instruction. */
#ifndef BLSH_MULTIPLY_DSP_H
#define BLSH_MULTIPLY_DSP_H

#include <arm_acle.h>

static inline int32_t blsh_mul_low(int32_t value, blsh_factors_t factors) {
    return __smlawb(value, (int32_t)factors, 0);
}

static inline int32_t blsh_mul_high(int32_t value, blsh_factors_t factors) {
    return __smlawt(value, (int32_t)factors, 0);
}

static inline int32_t blsh_mul_q16(int32_t value, int32_t factor) {
    return blsh_mul_low(value, (blsh_factors_t)factor);
}

static inline int32_t blsh_add_mul_high(int32_t sum, int32_t value, blsh_factors_t factors) {
    return __smlawt(value, (int32_t)factors, sum);
}

#endif
