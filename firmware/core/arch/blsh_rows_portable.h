// SPDX-License-Identifier: Apache-2.0
/* blsh_rows.h in C: two sums in a word, of bytes that are raised by 128 and so have no sign. */
#ifndef BLSH_ROWS_PORTABLE_H
#define BLSH_ROWS_PORTABLE_H

#include <string.h>

static inline void blsh_add_rows(int32_t *sums, const int8_t *first, const uint16_t *row, unsigned count) {
    const int32_t raised = 128 * (int32_t)count;
    for (const int8_t *const end = first + BLSH_VOTE_BANDS; first < end; first += 4, sums += 4) {
        uint32_t even = 0, odd = 0;
        const uint16_t *next = row, *const last = row + count;
        do {
            uint32_t bytes;
            memcpy(&bytes, __builtin_assume_aligned(first + *next++, 4), sizeof bytes);
            bytes ^= 0x80808080u;
            even += bytes & 0x00ff00ffu;
            odd += bytes >> 8 & 0x00ff00ffu;
        } while (next < last);
        sums[0] += (int32_t)(even & 0xffffu) - raised;
        sums[1] += (int32_t)(odd & 0xffffu) - raised;
        sums[2] += (int32_t)(even >> 16) - raised;
        sums[3] += (int32_t)(odd >> 16) - raised;
    }
}

#endif
