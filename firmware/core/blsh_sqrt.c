// SPDX-License-Identifier: Apache-2.0
/* Integer square roots (SPEC.md, 2: isqrt). */
#include "blsh_fixed.h"

/* Digit by digit in base 4: the root grows one bit a step, and no step divides. */

uint32_t blsh_floor_sqrt32(uint32_t value) {
    uint32_t root = 0;
    BLSH_UNROLL(16)
    for (uint32_t bit = UINT32_C(1) << 30; bit != 0u; bit >>= 2) {
        const uint32_t step = root + bit;
        root >>= 1;
        if (value >= step) {
            value -= step;
            root += bit;
        }
    }
    return root;
}

uint32_t blsh_floor_sqrt64(uint64_t value) {
    uint64_t root = 0;
    uint64_t bit = UINT64_C(1) << 62;
    while (bit > value) {
        bit >>= 2;
    }
    for (; bit != 0u; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}
