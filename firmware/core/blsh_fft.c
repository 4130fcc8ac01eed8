// SPDX-License-Identifier: Apache-2.0
/* Stage `spectrum`, and the inverse transform (SPEC.md, 4.2, 4.3 and 6.1), of 512, 256 or 128 points. */
#include "blsh_fft.h"

#include <stdbool.h>

#include "arch/blsh_fft_steps.h"
#include "blsh_state.h"

/* Where the core is compiled for one size it is a constant. */
static inline unsigned known(unsigned points) { return BLSH_ONE_WINDOW ? BLSH_MAX_WINDOW / 2u : points; }

/* The digits of m, those of a place but for its first and its last, in reverse: of the radices 4-2-4, 4-4, 2-2-2. */
static inline unsigned reversed(unsigned m, unsigned points) {
    switch (points) {
    case 512u:
        return (m & 3u) << 3 | (m & 4u) | m >> 3;
    case 256u:
        return (m & 3u) << 2 | m >> 2;
    default:
        return (m & 1u) << 2 | (m & 2u) | m >> 2;
    }
}

/* The permutation and the first stage. The digits of a place read the same in both directions, so of the sets of 16
 * points (places a points / 4 + 4 m + e) each goes to one other and takes that one's place. */
static inline void first_stage(blsh_point_t *z, unsigned points) {
    const unsigned quarter = points / 4u;
    for (unsigned m = 0; m < points / 16u; m++) {
        const unsigned other = reversed(m, points);
        if (other <= m) {
            blsh_point_t kept[16];
            blsh_first_butterflies(z + 4u * other, quarter, kept, 4u);
            if (other < m) {
                blsh_first_butterflies(z + 4u * m, quarter, z + 4u * other, quarter);
            }
            blsh_copy_rows(z + 4u * m, kept, quarter);
        }
    }
}

/* DFT, but for its last stage: radix 4, 4, 2, 4 for 512 points, 4, 4, 4 for 256, 4, 2, 2, 2 for 128; decimation in
 * time. Each stage but the first divides by four, so all of them scale by 2^-8, 2^-6 or 2^-8. */
static void first_stages(blsh_point_t *z, unsigned points) {
    first_stage(z, points);
    unsigned done = 4;
    if (points != 128u) {
        blsh_second_stage(z, points);
        done = 16;
    }
    if (points != 256u) {
        for (; done < 32u; done *= 2u) {
            blsh_radix2_stage(z, points, done);
        }
    }
    if (points != 128u) {
        blsh_radix4_stage(z, points, done, false);
    }
}

void blsh_forward_fft(int32_t *values, unsigned given) {
    const unsigned points = known(given);
    blsh_point_t *z = (blsh_point_t *)(void *)values, *const middle = z + points / 2u;
    first_stages(z, points);
    blsh_radix4_stage(z, points, points / 4u, false);
    z[points] = z[0]; /* the mirror of bin 0; becomes the last bin */
    blsh_split(z, points);
    *middle = (blsh_point_t){middle->re >> 1, -(middle->im >> 1)}; /* its own mirror */
}

void blsh_inverse_fft(int32_t *values, const int16_t *gain_q14, unsigned given) {
    const unsigned points = known(given);
    const unsigned raised = points == 128u ? 3u : 0u; /* as many bits as its radix-2 stages leave free (SPEC.md, 6.1) */
    blsh_point_t *z = (blsh_point_t *)(void *)values, *const middle = z + points / 2u;
    blsh_split_back(z, gain_q14, points, raised);
    const blsh_point_t scaled = blsh_scaled(*middle, raised, gain_q14[points / 2u]);
    *middle = (blsh_point_t){-(scaled.im >> 1), scaled.re >> 1};
    /* With real and imaginary parts exchanged before and after, the transform is the inverse one. */
    first_stages(z, points);
    blsh_radix4_stage(z, points, points / 4u, true);
}
