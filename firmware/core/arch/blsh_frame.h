// SPDX-License-Identifier: Apache-2.0
/* Loops over a frame: windowing, magnitudes, overlap-add.
 *
 * The window rises for the first half of a frame and falls for the second. Its table holds samples 0 to 512, so a part
 * of the frame goes through it with a step of 1 or of -1, from `window` on.
 *
 *   blsh_window_part(values, samples, count, window, step, shift, halve)
 *       values[n] = samples[n] * window[step * n] * 2^shift, floor. `shift` is -1 only where `halve` says so.
 *   blsh_size_bits(values)
 *       The magnitudes of both parts of all bins, or-ed.
 *   blsh_magnitudes(values, magnitude, drop, down)
 *       The magnitude of each bin: its parts shifted right by `drop`, their modulus by `down`, rounded half up.
 *   blsh_add_part(sums, before, values, window, step, down)
 *       Replaces a hop of `sums` by `before`, or by 0 if that is NULL, plus the values through the window, Q23.8,
 *       shifted right by `down`. `sums` may be `before` or lie in front of it.
 *   blsh_finish_part(output, sums, values, window, down)
 *       Adds the values through the rising window to a hop of `sums` likewise, and writes the finished samples. */
#ifndef BLSH_FRAME_H
#define BLSH_FRAME_H

#include <stdint.h>

#include "../blsh_constants.h"
#include "blsh_arch.h"

/* value, or its complement where it is negative: a magnitude without overflow, at most one too small */
static inline int32_t blsh_size_of(int32_t value) { return value ^ (value >> 31); }

#if defined(BLSH_ARCH_MVE)
#include "blsh_frame_mve.h"
#else
#include "blsh_frame_portable.h"
#endif

#endif
