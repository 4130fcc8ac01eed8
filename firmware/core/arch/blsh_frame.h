// SPDX-License-Identifier: Apache-2.0
/* Loops over a frame: windowing, magnitudes, overlap-add. Counts of samples are multiples of 64.
 *
 *   blsh_window_part(values, samples, count, window, shift, halve)
 *       values[n] = samples[n] * window[n] * 2^shift, floor. `shift` is -1 only where `halve` says so.
 *   blsh_size_bits(values, bins)
 *       The magnitudes of both parts of all bins, or-ed; there is one bin more than a multiple of 64.
 *   blsh_magnitudes(values, magnitude, bins, drop, down)
 *       The magnitude of each bin: its parts shifted right by `drop`, their modulus by `down`, rounded half up.
 *   blsh_add_part(sums, before, values, window, count, scale)
 *       Makes `sums` of `before`, or of zeros if that is NULL, plus the values through the window, as `scale` says.
 *       `sums` may be `before` or lie in front of it.
 *   blsh_finish_part(output, sums, values, window, count, scale)
 *       Adds the values through the window to `sums` likewise, and writes the finished samples. */
#ifndef BLSH_FRAME_H
#define BLSH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "../blsh_capacity.h"
#include "../blsh_constants.h"
#include "blsh_arch.h"

/* A value times 2^raised goes through the window, and 2^-down of it into its sum, Q23.8 times a quarter of the overlap.
 * A finished sum is a sample by 2^-drop, rounded half up; with `thirds` after a third of it was taken. */
typedef struct {
    unsigned raised, down, drop;
    bool thirds;
} blsh_scale_t;

/* value, or its complement where it is negative: a magnitude without overflow, at most one too small */
static inline int32_t blsh_size_of(int32_t value) { return value ^ (value >> 31); }

#if defined(BLSH_ARCH_MVE)
#include "blsh_frame_mve.h"
#else
#include "blsh_frame_portable.h"
#endif

#endif
