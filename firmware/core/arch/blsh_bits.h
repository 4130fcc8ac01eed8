// SPDX-License-Identifier: Apache-2.0
/* Single bits of a word. */
#ifndef BLSH_BITS_H
#define BLSH_BITS_H

#include <stdint.h>

#include "blsh_arch.h"

/* Place of the lowest bit that is set; word is not 0. */
#if defined(BLSH_ARCH_CLZ)
static inline unsigned blsh_lowest_one(uint32_t word) { return (unsigned)__builtin_ctz(word); }
#else
static inline unsigned blsh_lowest_one(uint32_t word) {
    unsigned place = 0;
    for (; (word & 0xffu) == 0u; word >>= 8) {
        place += 8u;
    }
    for (; (word & 1u) == 0u; word >>= 1) {
        place++;
    }
    return place;
}
#endif

/* How many bits are set. Cortex-M0 to M7 have no such instruction, and the compiler's builtin is a library call
 * there. */
static inline unsigned blsh_count_ones(uint32_t word) {
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    return (unsigned)(((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24);
}

#endif
