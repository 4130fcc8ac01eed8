// SPDX-License-Identifier: Apache-2.0
/* The steps of the transforms, in place on the `points` of blsh_fft.c: 512, 256 or 128. All read the same turns, those
 * of 1024 samples; a shorter transform takes every second or every fourth.
 *
 *   blsh_first_butterflies(from, quarter, to, row)  four DFTs of points `quarter` apart, from[0] to from[3] on; that of
 *                                                   from[e] goes to row e of `to`, whose rows are `row` points apart
 *   blsh_copy_rows(to, from, row)                   four rows of four points to rows `row` apart
 *   blsh_second_stage(z, points)                    the radix-4 stage of points 4 apart
 *   blsh_radix2_stage(z, points, half)              a radix-2 stage of points `half` apart
 *   blsh_radix4_stage(z, points, quarter, exchange) a radix-4 stage of points `quarter` apart; with `exchange`, re and
 *                                                   im change places as they are stored
 *   blsh_split(z, points)                           bins k and points - k, k below points / 2, from the transform of
 *                                                   pairs of samples
 *   blsh_split_back(z, gain_q14, points, raised)    the inverse of the bins times their gain and 2^raised, but for the
 *                                                   middle one; re and im change places */
#ifndef BLSH_FFT_STEPS_H
#define BLSH_FFT_STEPS_H

#include "../blsh_tables.h"
#include "blsh_points.h"

#if defined(BLSH_ARCH_MVE)
#include "blsh_fft_steps_mve.h"
#else
#include "blsh_fft_steps_portable.h"
#endif

#endif
