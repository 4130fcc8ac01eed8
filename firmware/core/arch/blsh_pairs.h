// SPDX-License-Identifier: Apache-2.0
/* Two words that follow each other, moved at once where the core can: a compiler that sees two words often moves them
 * one by one. */
#ifndef BLSH_PAIRS_H
#define BLSH_PAIRS_H

#include <stdint.h>

#include "blsh_arch.h"

#if defined(BLSH_ASM_PAIRS)

typedef uint64_t __attribute__((may_alias, aligned(4))) blsh_pair_t;

/* The outputs are early-clobbered, so neither is the register of the address: an LDRD that loads its own base may lose
 * it on a Cortex-M3 that is interrupted (erratum 602117). -mfix-cortex-m3-ldrd sees to that only where the compiler
 * writes the instruction. */
static inline void blsh_load_pair(const void *from, uint32_t *first, uint32_t *second) {
    __asm__("ldrd %0, %1, %2" : "=&r"(*first), "=&r"(*second) : "m"(*(const blsh_pair_t *)from));
}

static inline void blsh_store_pair(void *to, uint32_t first, uint32_t second) {
    __asm__("strd %1, %2, %0" : "=m"(*(blsh_pair_t *)to) : "r"(first), "r"(second));
}

#else

static inline void blsh_load_pair(const void *from, uint32_t *first, uint32_t *second) {
    const uint32_t *const words = from;
    *first = words[0];
    *second = words[1];
}

static inline void blsh_store_pair(void *to, uint32_t first, uint32_t second) {
    uint32_t *const words = to;
    words[0] = first;
    words[1] = second;
}

#endif

#endif
