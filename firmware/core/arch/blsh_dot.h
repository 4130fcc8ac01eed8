// SPDX-License-Identifier: Apache-2.0
/* Sums of products.
 *
 *   blsh_dot_s16(a, b, count)                     sum of a[i] * b[i], i < count, modulo 2^32; none is negative
 *   blsh_sum_s16(values, count)                   sum of values[i], i < count
 *   blsh_squares_s16(values, count)               sum of values[i]^2, i < count, of at most 256 values
 *   blsh_dot4_u8(weight, features, count, sums)   sums[i] = sum over d < count of the weights of row i, raised by 128,
 *                                                 times features[d], for the four rows that are stored from `weight`
 *                                                 on: for each eight features eight weights of each row, each four
 *                                                 of them in the order 0, 2, 1, 3
 *
 * blsh_sum_s16 and blsh_dot4_u8 take a `count` that is a multiple of 8 and not 0. All lie on words, but for values that
 * are squared. The four rows share the loads of the
 * features. Raised weights are bytes without a sign: M0 can load those from where a pointer stands and so need no
 * address each. The order is for DSP instructions, which widen every other byte of a word at once. */
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
