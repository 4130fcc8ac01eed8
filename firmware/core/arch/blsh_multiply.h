// SPDX-License-Identifier: Apache-2.0
/* Products of the transforms and of overlap-add: a word by a factor of 16 bits.
 *
 *   blsh_mul_q16(value, factor)            value * factor / 2^16, floor; `factor` fits int16
 *   blsh_mul_low(value, factors)           the same, by the low one of two factors in a word
 *   blsh_mul_high(value, factors)          the same, by the high one
 *   blsh_add_mul_high(sum, value, factors) sum + blsh_mul_high(value, factors)
 *   blsh_factor(constant)                  a constant factor as the compiler shall multiply by it
 *   blsh_saturated(value)                  the value, or what is nearest to it in an int16 */
#ifndef BLSH_MULTIPLY_H
#define BLSH_MULTIPLY_H

#include <stdint.h>

#include "blsh_arch.h"

/* Two int16 factors in a word, such as cosine (low) and sine (high) of one angle. */
typedef uint32_t blsh_factors_t;

static inline int32_t blsh_low_factor(blsh_factors_t factors) { return (int16_t)(factors & 0xffffu); }
static inline int32_t blsh_high_factor(blsh_factors_t factors) { return (int32_t)factors >> 16; }

#if defined(BLSH_ARCH_DSP)
#include "blsh_multiply_dsp.h"
#elif defined(BLSH_SHORT_MULTIPLY)
#include "blsh_multiply_short.h"
#else
#include "blsh_multiply_long.h"
#endif

/* For M0 the compiler makes sums and shifts of a product by a constant, many times as slow as the multiplier of every
 * M0 that takes one cycle; so it must not know the constant there. */
static inline int32_t blsh_factor(int32_t constant) {
#if defined(BLSH_ASM_THUMB1)
    __asm__("" : "+r"(constant));
#endif
    return constant;
}

#if defined(BLSH_ASM_SATURATE) /* __ssat of gcc's arm_acle.h does not pass -Wconversion */
static inline int16_t blsh_saturated(int32_t value) {
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value));
    return (int16_t)result;
}
#else
static inline int16_t blsh_saturated(int32_t value) {
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}
#endif

#endif
