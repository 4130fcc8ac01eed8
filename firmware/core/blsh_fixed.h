// SPDX-License-Identifier: Apache-2.0
/* The arithmetic of SPEC.md, 2: shifts, and roots. Products are in arch/blsh_multiply.h. Every result fits by the
 * bounds of SPEC.md, 7. */
#ifndef BLSH_FIXED_H
#define BLSH_FIXED_H

#include <stdint.h>

#include "arch/blsh_arch.h"

/* value / 2^bits, rounded half up; 0 <= bits <= 29 */
static inline int32_t blsh_rounded_shift(int32_t value, unsigned bits) {
    return (value + ((INT32_C(1) << bits) >> 1)) >> bits;
}

/* value * 2^left; a negative `left` divides and rounds half up */
static inline int32_t blsh_shifted(int32_t value, int32_t left) {
    return left >= 0 ? value * (INT32_C(1) << left) : blsh_rounded_shift(value, (unsigned)-left);
}

/* bits needed to write `value`; 0 for 0 */
static inline int32_t blsh_bit_length(uint32_t value) { return value == 0u ? 0 : 32 - (int32_t)__builtin_clz(value); }

/* floor of the square root */
uint32_t blsh_floor_sqrt32(uint32_t value);
uint32_t blsh_floor_sqrt64(uint64_t value);

#endif
