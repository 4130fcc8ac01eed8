// SPDX-License-Identifier: Apache-2.0
/* Sums of rows of bytes, several in a register.
 *
 *   blsh_add_rows(sums, first, row, count, bands)   sums[w] += sum over n < count of the byte w of the row that lies
 *                                                   row[n] bytes behind `first`, for w < bands, a multiple of 16.
 *                                                   `count` is 1 to BLSH_ROWS_AT_ONCE: so many bytes add up within 16
 *                                                   bits. Rows lie on words. */
#ifndef BLSH_ROWS_H
#define BLSH_ROWS_H

#include <stdint.h>

#include "../blsh_constants.h"
#include "blsh_arch.h"

#define BLSH_ROWS_AT_ONCE 96u

#if defined(BLSH_ARCH_MVE)
#include "blsh_rows_mve.h"
#elif defined(BLSH_ARCH_DSP)
#include "blsh_rows_dsp.h"
#else
#include "blsh_rows_portable.h"
#endif

#endif
