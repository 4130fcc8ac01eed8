// SPDX-License-Identifier: Apache-2.0
/* What a loss of power leaves of a write to flash, for tests: each bit that was to change has done so or not. */
#ifndef BLSH_POWER_CUT_H
#define BLSH_POWER_CUT_H

#include <stdint.h>

/* 32 bits of which none, a quarter, a half, three quarters or all are set, as the seed has it. */
static inline uint32_t cut_done(uint32_t *seed, uint32_t quarters) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 32u; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        bits = bits << 1 | ((*seed >> 30) < quarters ? 1u : 0u);
    }
    return bits;
}

static inline uint32_t cut_quarters(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 24) % 5u;
}

static inline void cut_program(uint32_t *at, uint32_t word, uint32_t *seed) {
    const uint32_t quarters = cut_quarters(seed);
    *at &= word | ~cut_done(seed, quarters);
}

static inline void cut_erase(uint32_t *sector, uint32_t words, uint32_t *seed) {
    const uint32_t quarters = cut_quarters(seed);
    for (uint32_t i = 0; i < words; i++) {
        sector[i] |= cut_done(seed, quarters);
    }
}

#endif
