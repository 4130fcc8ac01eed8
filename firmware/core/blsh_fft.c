// SPDX-License-Identifier: Apache-2.0
/* Stage `spectrum`, and the inverse transform (SPEC.md, 4.2, 4.3 and 6.1). */
#include "blsh_fft.h"

#include <stdbool.h>

#include "arch/blsh_fft_steps.h"

/* The permutation and the first stage. The digits of a place read the same in both directions, so of the 32 sets of
 * 16 points (places 128 a + 4 m + e) each goes to one other and takes that one's place. */
static inline void first_stage(blsh_point_t *z) {
    for (unsigned m = 0; m < 32u; m++) {
        const unsigned reversed = (m & 3u) << 3 | (m & 4u) | m >> 3;
        if (reversed <= m) {
            blsh_point_t kept[16];
            blsh_first_butterflies(z + 4u * reversed, kept, 4u);
            if (reversed < m) {
                blsh_first_butterflies(z + 4u * m, z + 4u * reversed, 128u);
            }
            blsh_copy_rows(z + 4u * m, kept);
        }
    }
}

/* DFT of 512 points, scaled by 2^-8, but for its last stage: radix 4, 4, 2, 4, 4, decimation in time. */
static void four_stages(blsh_point_t *z) {
    first_stage(z);
    blsh_second_stage(z);
    blsh_radix2_stage(z);
    blsh_radix4_stage(z, 32u, false);
}

void blsh_forward_fft(int32_t values[2u * BLSH_BINS]) {
    blsh_point_t *z = (blsh_point_t *)(void *)values;
    four_stages(z);
    blsh_radix4_stage(z, 128u, false);
    z[BLSH_POINTS] = z[0]; /* the mirror of bin 0; becomes bin 512 */
    blsh_split(z);
    z[256] = (blsh_point_t){z[256].re >> 1, -(z[256].im >> 1)}; /* its own mirror */
}

void blsh_inverse_fft(int32_t values[2u * BLSH_BINS], const int16_t gain_q14[BLSH_BINS]) {
    blsh_point_t *z = (blsh_point_t *)(void *)values;
    blsh_split_back(z, gain_q14);
    const blsh_point_t middle = blsh_scaled(z[256], gain_q14[256]);
    z[256] = (blsh_point_t){-(middle.im >> 1), middle.re >> 1};
    /* With real and imaginary parts exchanged before and after, the transform is the inverse one. */
    four_stages(z);
    blsh_radix4_stage(z, 128u, true);
}
