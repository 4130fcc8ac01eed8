// SPDX-License-Identifier: Apache-2.0
/* blsh_rows.h by Helium: eight sums in a register. */
#ifndef BLSH_ROWS_MVE_H
#define BLSH_ROWS_MVE_H

#include <arm_mve.h>

static inline void blsh_add_rows(int32_t *sums, const int8_t *first, const uint16_t *row, unsigned count,
                                 unsigned bands) {
    for (const int8_t *const end = first + bands; first < end; first += 16, sums += 16) {
        int16x8_t low = vdupq_n_s16(0), high = vdupq_n_s16(0);
        const uint16_t *next = row, *const last = row + count;
        do {
            const int8_t *const bytes = first + *next++;
            low = vaddq_s16(low, vldrbq_s16(bytes));
            high = vaddq_s16(high, vldrbq_s16(bytes + 8));
        } while (next < last);
        int16_t lanes[16];
        vst1q_s16(lanes, low);
        vst1q_s16(lanes + 8, high);
        for (unsigned lane = 0; lane < 16u; lane++) {
            sums[lane] += lanes[lane];
        }
    }
}

#endif
