// SPDX-License-Identifier: Apache-2.0
/* Stand-ins on a host for the DSP intrinsics that the core uses, so that tests, sanitizers and coverage see its DSP
 * variants. Each says in C what the Arm C Language Extensions say. Compile with -D__ARM_FEATURE_DSP=1
 * -D__ARM_FEATURE_SIMD32=1 and this folder as include path. */
#ifndef BLSH_STAND_IN_ARM_ACLE_H
#define BLSH_STAND_IN_ARM_ACLE_H

#include <stdint.h>

typedef int32_t int16x2_t;
typedef int32_t int8x4_t;

static inline int32_t blsh_bottom(int32_t word) { return (int16_t)(uint16_t)((uint32_t)word & 0xffffu); }
static inline int32_t blsh_top(int32_t word) { return word >> 16; }

/* accumulator + value * the lower half of factors / 2^16, floor, modulo 2^32 */
static inline int32_t __smlawb(int32_t value, int32_t factors, int32_t accumulator) {
    return (int32_t)((uint32_t)accumulator + (uint32_t)(((int64_t)value * blsh_bottom(factors)) >> 16));
}

/* the same by the upper half */
static inline int32_t __smlawt(int32_t value, int32_t factors, int32_t accumulator) {
    return (int32_t)((uint32_t)accumulator + (uint32_t)(((int64_t)value * blsh_top(factors)) >> 16));
}

/* the product of the lower halves + that of the upper halves, modulo 2^32 */
static inline int32_t __smuad(int16x2_t a, int16x2_t b) {
    return (int32_t)((uint32_t)(blsh_bottom(a) * blsh_bottom(b)) + (uint32_t)(blsh_top(a) * blsh_top(b)));
}

static inline int32_t __smlad(int16x2_t a, int16x2_t b, int32_t accumulator) {
    return (int32_t)((uint32_t)__smuad(a, b) + (uint32_t)accumulator);
}

/* the same, of 64 bits; a product of two halves fits 31, but the sum of two of them may not */
static inline int64_t __smlald(int16x2_t a, int16x2_t b, int64_t accumulator) {
    return accumulator + blsh_bottom(a) * blsh_bottom(b) + (int64_t)(blsh_top(a) * blsh_top(b));
}

/* each half of sum + bytes 0 and 2, widened, modulo 2^16 */
static inline int16x2_t __sxtab16(int16x2_t sum, int8x4_t bytes) {
    const int32_t low = (int8_t)((uint32_t)bytes & 0xffu), high = (int8_t)((uint32_t)bytes >> 16 & 0xffu);
    return (int32_t)((uint32_t)(blsh_top(sum) + high) << 16 | ((uint32_t)(blsh_bottom(sum) + low) & 0xffffu));
}

#endif
