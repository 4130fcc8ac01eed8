// SPDX-License-Identifier: Apache-2.0
/* blsh_frame.h in C: two samples at a time, three bins at a time. */
#ifndef BLSH_FRAME_PORTABLE_H
#define BLSH_FRAME_PORTABLE_H

#include <stddef.h>

#include "blsh_modulus.h"
#include "blsh_points.h"

static inline int32_t blsh_shifted_product(int32_t product, int32_t shift, bool halve) {
    return halve ? product >> 1 : (int32_t)((uint32_t)product << shift);
}

static inline void blsh_window_part(int32_t *values, const int16_t *samples, unsigned count, const int16_t *window,
                                    int step, int32_t shift, bool halve) {
    BLSH_UNROLL(4)
    for (unsigned n = 0; n < count; n += 2u) {
        const int32_t first = samples[n] * window[0], second = samples[n + 1u] * window[step];
        blsh_store((blsh_point_t *)(values + n), blsh_shifted_product(first, shift, halve),
                   blsh_shifted_product(second, shift, halve));
        window += 2 * step;
    }
}

static inline uint32_t blsh_size_bits(const int32_t *values) {
    int32_t bits = 0;
    BLSH_UNROLL(9)
    for (unsigned i = 0; i < 2u * BLSH_BINS; i += 2u) {
        const blsh_point_t bin = blsh_load((const blsh_point_t *)(values + i));
        bits |= blsh_size_of(bin.re) | blsh_size_of(bin.im);
    }
    return (uint32_t)bits;
}

static inline void blsh_magnitudes(const int32_t *values, int16_t *magnitude, unsigned drop, unsigned down) {
    _Static_assert(BLSH_BINS % 3u == 0u, "three bins at a time");
    int16_t *const end = magnitude + BLSH_BINS;
    while (magnitude < end) {
        BLSH_UNROLL(3)
        for (unsigned i = 0; i < 3u; i++) {
            const blsh_point_t bin = blsh_load((const blsh_point_t *)values + i);
            const int32_t re = blsh_size_of(bin.re) >> drop, im = blsh_size_of(bin.im) >> drop;
            magnitude[i] = (int16_t)((blsh_modulus_q14(re, im) + 0x2000) >> down);
        }
        magnitude += 3;
        values += 6;
    }
}

/* A windowed output sample in Q23.8, whatever block shift its frame had. */
static inline int32_t blsh_synthesised(int32_t value, int32_t window, unsigned down) {
    return blsh_mul_q16((int32_t)((uint32_t)value << BLSH_OVERLAP_FRACTION_BITS), window) >> down;
}

static inline void blsh_add_part(int32_t *sums, const int32_t *before, const int32_t *values, const int16_t *window,
                                 int step, unsigned down) {
    BLSH_UNROLL(4)
    for (unsigned n = 0; n < BLSH_HOP; n += 2u) {
        const blsh_point_t old = before == NULL ? (blsh_point_t){0, 0} : blsh_load((const blsh_point_t *)(before + n));
        const blsh_point_t value = blsh_load((const blsh_point_t *)(values + n));
        const int32_t first = old.re + blsh_synthesised(value.re, window[0], down);
        const int32_t second = old.im + blsh_synthesised(value.im, window[step], down);
        blsh_store((blsh_point_t *)(sums + n), first, second);
        window += 2 * step;
    }
}

static inline void blsh_finish_part(int16_t *output, int32_t *sums, const int32_t *values, const int16_t *window,
                                    unsigned down) {
    const int32_t third = blsh_factor(BLSH_THIRD_Q16);
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        const int32_t total = sums[n] + blsh_synthesised(values[n], window[n], down);
        output[n] = blsh_saturated_shift(blsh_mul_q16(total, third) + 64, BLSH_OVERLAP_FRACTION_BITS - 1);
    }
}

#endif
