// SPDX-License-Identifier: Apache-2.0
/* The steps of the transforms, in place on the points of blsh_fft.c.
 *
 *   blsh_first_butterflies(from, to, row)   four DFTs of points 128 apart, from[0] to from[3] on; that of from[e] goes
 *                                           to row e of `to`, whose rows are `row` points apart
 *   blsh_copy_rows(to, from)                four rows of four points to rows 128 apart
 *   blsh_second_stage(z)                    the radix-4 stage of points 4 apart
 *   blsh_radix2_stage(z)                    the radix-2 stage of points 16 apart
 *   blsh_radix4_stage(z, quarter, exchange) a radix-4 stage of points `quarter` apart; with `exchange`, re and im
 *                                           change places as they are stored
 *   blsh_split(z)                           bins k and 512 - k, k below 256, from the transform of pairs of samples
 *   blsh_split_back(z, gain_q14)            the inverse of the bins times their gain, but for k = 256; re and im change
 *                                           places */
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
