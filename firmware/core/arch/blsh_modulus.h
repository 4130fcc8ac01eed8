// SPDX-License-Identifier: Apache-2.0
/* The modulus of re + j im within 0.43 %, times 2^14: the largest projection on three directions between the axis of
 * the larger part and the diagonal (SPEC.md, 5). Parts are 0 to 2^14 - 1. */
#ifndef BLSH_MODULUS_H
#define BLSH_MODULUS_H

#include "../blsh_constants.h"
#include "blsh_multiply.h"

static inline int32_t blsh_largest(int32_t flat, int32_t middle, int32_t steep) {
    const int32_t larger = flat > middle ? flat : middle;
    return larger > steep ? larger : steep;
}

/* With Helium one bin is left for this: not worth the registers. */
#if defined(BLSH_ARCH_DSP) && !defined(BLSH_ARCH_MVE)

#include <arm_acle.h>

/* Both parts, the larger in the lower half, by two factors. */
static inline int32_t blsh_weighted(uint32_t parts, int32_t first, int32_t second) {
    return __smuad((int32_t)parts, (int32_t)((uint32_t)second << 16 | (uint32_t)first));
}

static inline int32_t blsh_modulus_q14(int32_t re, int32_t im) {
    const uint32_t both = (uint32_t)re | (uint32_t)im << 16;
    const uint32_t parts = re < im ? both >> 16 | both << 16 : both;
    const int32_t flat = blsh_weighted(parts, BLSH_FLAT_Q14);
    const int32_t middle = blsh_weighted(parts, BLSH_MIDDLE_Q14);
    const int32_t steep = blsh_weighted(parts, BLSH_STEEP_Q14);
    return blsh_largest(flat, middle, steep);
}

#else

static inline int32_t blsh_weighted(int32_t larger, int32_t smaller, int32_t first, int32_t second) {
    return blsh_factor(first) * larger + blsh_factor(second) * smaller;
}

static inline int32_t blsh_modulus_q14(int32_t re, int32_t im) {
    const int32_t larger = re > im ? re : im, smaller = re + im - larger;
    const int32_t flat = blsh_weighted(larger, smaller, BLSH_FLAT_Q14);
    const int32_t middle = blsh_weighted(larger, smaller, BLSH_MIDDLE_Q14);
    const int32_t steep = blsh_weighted(larger, smaller, BLSH_STEEP_Q14);
    return blsh_largest(flat, middle, steep);
}

#endif

#endif
