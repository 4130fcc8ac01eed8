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
                                    int32_t shift, bool halve) {
    for (const int16_t *const end = window + count; window != end;) {
        BLSH_UNROLL(4)
        for (unsigned n = 0; n < 8u; n += 2u) {
            const int32_t first = samples[n] * window[n], second = samples[n + 1u] * window[n + 1u];
            blsh_store((blsh_point_t *)(values + n), blsh_shifted_product(first, shift, halve),
                       blsh_shifted_product(second, shift, halve));
        }
        values += 8;
        samples += 8;
        window += 8;
    }
}

/* The sizes of both parts of a bin, or-ed. */
static inline int32_t blsh_bits_of(const blsh_point_t *from) {
    const blsh_point_t bin = blsh_load(from);
    return blsh_size_of(bin.re) | blsh_size_of(bin.im);
}

static inline uint32_t blsh_size_bits(const int32_t *values, unsigned bins) {
    const blsh_point_t *bin = (const blsh_point_t *)values, *const last = bin + bins - 1u;
    int32_t bits = blsh_bits_of(last);
    for (; bin != last; bin += 8) {
        BLSH_UNROLL(8)
        for (unsigned i = 0; i < 8u; i++) {
            bits |= blsh_bits_of(bin + i);
        }
    }
    return (uint32_t)bits;
}

static inline int16_t blsh_magnitude(const blsh_point_t *from, unsigned drop, unsigned down) {
    const blsh_point_t bin = blsh_load(from);
    const int32_t re = blsh_size_of(bin.re) >> drop, im = blsh_size_of(bin.im) >> drop;
    return (int16_t)((blsh_modulus_q14(re, im) + 0x2000) >> down);
}

static inline void blsh_magnitudes(const int32_t *values, int16_t *magnitude, unsigned bins, unsigned drop,
                                   unsigned down) {
    const blsh_point_t *bin = (const blsh_point_t *)values;
    for (unsigned threes = bins / 3u; threes != 0u; threes--) {
        BLSH_UNROLL(3)
        for (unsigned i = 0; i < 3u; i++) {
            magnitude[i] = blsh_magnitude(bin + i, drop, down);
        }
        magnitude += 3;
        bin += 3;
    }
    for (unsigned rest = bins % 3u; rest != 0u; rest--) {
        *magnitude++ = blsh_magnitude(bin++, drop, down);
    }
}

/* A windowed output sample in Q23.8, whatever block shift its frame had. */
static inline int32_t blsh_synthesised(int32_t value, int32_t window, blsh_scale_t scale) {
    return blsh_mul_q16((int32_t)((uint32_t)value << scale.raised), window) >> scale.down;
}

static inline void blsh_add_part(int32_t *sums, const int32_t *before, const int32_t *values, const int16_t *window,
                                 unsigned count, blsh_scale_t scale) {
    for (const int16_t *const end = window + count; window != end;) {
        BLSH_UNROLL(4)
        for (unsigned n = 0; n < 8u; n += 2u) {
            const blsh_point_t old =
                before == NULL ? (blsh_point_t){0, 0} : blsh_load((const blsh_point_t *)(before + n));
            const blsh_point_t value = blsh_load((const blsh_point_t *)(values + n));
            const int32_t first = old.re + blsh_synthesised(value.re, window[n], scale);
            const int32_t second = old.im + blsh_synthesised(value.im, window[n + 1u], scale);
            blsh_store((blsh_point_t *)(sums + n), first, second);
        }
        before = before == NULL ? NULL : before + 8;
        sums += 8;
        values += 8;
        window += 8;
    }
}

static inline void blsh_finish_part(int16_t *output, int32_t *sums, const int32_t *values, const int16_t *window,
                                    unsigned count, blsh_scale_t scale) {
    /* A core of several geometries takes a quarter where others take a third: one loop for both, and no bit is other
     * than without, for all of the two bits that go are rounded off later. */
    const bool multiplied = scale.thirds || !BLSH_ONE_GEOMETRY;
    const unsigned drop = multiplied && !scale.thirds ? scale.drop - 2u : scale.drop;
    const int32_t share = scale.thirds ? blsh_factor(BLSH_THIRD_Q16) : 1 << 14;
    const int32_t half = (INT32_C(1) << drop) >> 1;
    for (const int16_t *const end = window + count; window != end;) {
        BLSH_UNROLL(8)
        for (unsigned n = 0; n < 8u; n++) {
            const int32_t total = sums[n] + blsh_synthesised(values[n], window[n], scale);
            output[n] = blsh_saturated(((multiplied ? blsh_mul_q16(total, share) : total) + half) >> drop);
        }
        output += 8;
        sums += 8;
        values += 8;
        window += 8;
    }
}

#endif
