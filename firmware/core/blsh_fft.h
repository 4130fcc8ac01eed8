// SPDX-License-Identifier: Apache-2.0
/* The two transforms of a hop, in place (SPEC.md, 4.2, 4.3 and 6.1). */
#ifndef BLSH_FFT_H
#define BLSH_FFT_H

#include <stdint.h>

#include "blsh_constants.h"

/* 1024 real samples (below 2^28) to bins 0 to 512, interleaved re, im, scaled by 2^-9. */
void blsh_forward_fft(int32_t values[2u * BLSH_BINS]);

/* The inverse of the bins times `gain`: 1024 samples. With a gain of 1 both in turn scale by 2^-11. */
void blsh_inverse_fft(int32_t values[2u * BLSH_BINS], const int16_t gain_q14[BLSH_BINS]);

#endif
