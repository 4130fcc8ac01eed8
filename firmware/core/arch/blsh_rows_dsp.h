// SPDX-License-Identifier: Apache-2.0
/* blsh_rows.h by SXTAB16: adds two bytes to the halves of a word. */
#ifndef BLSH_ROWS_DSP_H
#define BLSH_ROWS_DSP_H

#include <arm_acle.h>

#include "blsh_pairs.h"

/* Bytes 0 and 2 of a word, and bytes 1 and 3, added to the halves of two sums. */
static inline void blsh_add_bytes(int32_t *even, int32_t *odd, uint32_t bytes) {
    *even = __sxtab16(*even, (int32_t)bytes);
#if defined(BLSH_ASM_DSP)
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(bytes));
#else
    *odd = __sxtab16(*odd, (int32_t)(bytes >> 8));
#endif
}

static inline void blsh_add_halves(int32_t *sums, int32_t even, int32_t odd) {
    sums[0] += (int16_t)(even & 0xffff);
    sums[1] += (int16_t)(odd & 0xffff);
    sums[2] += even >> 16;
    sums[3] += odd >> 16;
}

static inline void blsh_add_rows(int32_t *sums, const int8_t *first, const uint16_t *row, unsigned count,
                                 unsigned bands) {
    for (const int8_t *const end = first + bands; first < end; first += 8, sums += 8) {
        int32_t even = 0, odd = 0, next_even = 0, next_odd = 0;
        const uint16_t *next = row, *const last = row + count;
        do {
            uint32_t bytes, next_bytes;
            blsh_load_pair(first + *next++, &bytes, &next_bytes);
            blsh_add_bytes(&even, &odd, bytes);
            blsh_add_bytes(&next_even, &next_odd, next_bytes);
        } while (next < last);
        blsh_add_halves(sums, even, odd);
        blsh_add_halves(sums + 4, next_even, next_odd);
    }
}

#endif
