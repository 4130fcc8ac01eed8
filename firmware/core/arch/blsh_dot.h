// SPDX-License-Identifier: Apache-2.0
/* Sums of products.
 *
 *   blsh_dot_s16(a, b, count)                  sum of a[i] * b[i], i < count, modulo 2^32: weights that no generator
 *                                              makes may leave the range
 *   blsh_dot2_s8(row, features, count, sums)   sums[i] = sum of row[i][d] * features[d], d < count, for two rows.
 *                                              `count` is a multiple of 8; rows and features lie on words. Each four
 *                                              weights are stored in the order 0, 2, 1, 3: DSP instructions widen every
 *                                              other byte of a word at once. */
#ifndef BLSH_DOT_H
#define BLSH_DOT_H

#include "blsh_arch.h"

#if defined(BLSH_ARCH_MVE)
#include "blsh_dot_mve.h"
#elif defined(BLSH_ARCH_DSP)
#include "blsh_dot_dsp.h"
#else
#include "blsh_dot_portable.h"
#endif

#endif
