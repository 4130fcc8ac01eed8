// SPDX-License-Identifier: Apache-2.0
/* blsh_frame.h by Helium: four samples or bins at a time. */
#ifndef BLSH_FRAME_MVE_H
#define BLSH_FRAME_MVE_H

#include <arm_mve.h>
#include <stdbool.h>
#include <stddef.h>

#include "blsh_modulus.h"

static inline void blsh_window_part(int32_t *values, const int16_t *samples, unsigned count, const int16_t *window,
                                    int32_t shift, bool halve) {
    (void)halve; /* a vector shifts in both directions */
    for (unsigned n = 0; n < count; n += 4u) {
        const int32x4_t product = vmulq_s32(vldrhq_s32(samples + n), vldrhq_s32(window + n));
        vstrwq_s32(values + n, vshlq_r_s32(product, shift));
    }
}

static inline int32x4_t blsh_sizes_of(int32x4_t values) { return veorq_s32(values, vshrq_n_s32(values, 31)); }

static inline uint32_t blsh_size_bits(const int32_t *values, unsigned bins) {
    int32x4_t all = vdupq_n_s32(0);
    unsigned i = 0;
    for (; i < 2u * bins - 2u; i += 4u) {
        all = vorrq_s32(all, blsh_sizes_of(vldrwq_s32(values + i)));
    }
    const int32_t last = blsh_size_of(values[i]) | blsh_size_of(values[i + 1u]);
    return (uint32_t)(last | vgetq_lane_s32(all, 0) | vgetq_lane_s32(all, 1) | vgetq_lane_s32(all, 2) |
                      vgetq_lane_s32(all, 3));
}

static inline int32x4_t blsh_weighted4(int32x4_t larger, int32x4_t smaller, int32_t first, int32_t second) {
    return vmlaq_n_s32(vmulq_n_s32(larger, first), smaller, second);
}

/* blsh_modulus_q14 of four bins; val[0] are the real parts. */
static inline int32x4_t blsh_moduli_q14(int32x4x2_t z) {
    const int32x4_t larger = vmaxq_s32(z.val[0], z.val[1]), smaller = vminq_s32(z.val[0], z.val[1]);
    const int32x4_t flat = blsh_weighted4(larger, smaller, BLSH_FLAT_Q14);
    const int32x4_t middle = blsh_weighted4(larger, smaller, BLSH_MIDDLE_Q14);
    const int32x4_t steep = blsh_weighted4(larger, smaller, BLSH_STEEP_Q14);
    return vmaxq_s32(vmaxq_s32(flat, middle), steep);
}

static inline void blsh_magnitudes(const int32_t *values, int16_t *magnitude, unsigned bins, unsigned drop,
                                   unsigned down) {
    int16_t *const end = magnitude + bins;
    for (; magnitude + 4 <= end; magnitude += 4) {
        int32x4x2_t z = vld2q_s32(values);
        z.val[0] = vshlq_r_s32(blsh_sizes_of(z.val[0]), -(int32_t)drop);
        z.val[1] = vshlq_r_s32(blsh_sizes_of(z.val[1]), -(int32_t)drop);
        const int32x4_t rounded = vaddq_n_s32(blsh_moduli_q14(z), 0x2000);
        vstrhq_s32(magnitude, vshlq_r_s32(rounded, -(int32_t)down));
        values += 8;
    }
    for (; magnitude < end; magnitude++, values += 2) {
        const int32_t re = blsh_size_of(values[0]) >> drop, im = blsh_size_of(values[1]) >> drop;
        *magnitude = (int16_t)((blsh_modulus_q14(re, im) + 0x2000) >> down);
    }
}

static inline void blsh_add_part(int32_t *sums, const int32_t *before, const int32_t *values, const int16_t *window,
                                 unsigned count, blsh_scale_t scale) {
    for (unsigned n = 0; n < count; n += 4u) {
        const int32x4_t w = vshlq_n_s32(vldrhq_s32(window + n), 16);
        const int32x4_t v = vmulhq_s32(vshlq_r_s32(vldrwq_s32(values + n), (int32_t)scale.raised), w);
        const int32x4_t shifted = vshlq_r_s32(v, -(int32_t)scale.down);
        vstrwq_s32(sums + n, before == NULL ? shifted : vaddq_s32(shifted, vldrwq_s32(before + n)));
    }
}

static inline void blsh_finish_part(int16_t *output, int32_t *sums, const int32_t *values, const int16_t *window,
                                    unsigned count, blsh_scale_t scale) {
    const int32_t half = (INT32_C(1) << scale.drop) >> 1;
    blsh_add_part(sums, sums, values, window, count, scale);
    for (unsigned n = 0; n < count; n += 4u) {
        const int32x4_t sum = vldrwq_s32(sums + n);
        const int32x4_t total = scale.thirds ? vmulhq_s32(sum, vdupq_n_s32((int32_t)BLSH_THIRD_Q16 << 16)) : sum;
        const int32x4_t step = vshlq_r_s32(vaddq_n_s32(total, half), -(int32_t)scale.drop);
        vstrhq_s32(output + n, vminq_s32(vmaxq_s32(step, vdupq_n_s32(INT16_MIN)), vdupq_n_s32(INT16_MAX)));
    }
}

#endif
