// SPDX-License-Identifier: Apache-2.0
/* The two transforms of a hop, in place (SPEC.md, 4.2, 4.3 and 6.1). */
#ifndef BLSH_FFT_H
#define BLSH_FFT_H

#include <stdint.h>

/* `points` are 512, 256 or 128, half of the samples of a frame; values are 2 (points + 1).
 *
 * Real samples (2 points, below 2^28) to bins 0 to `points`, interleaved re, im, scaled by 2^-9, 2^-7 or 2^-9. */
void blsh_forward_fft(int32_t *values, unsigned points);

/* The inverse of the bins times their gain, `gain_q14` (points + 1): 2 points samples. With a gain of 1 both in turn
 * scale by 2^-11, 2^-8 or 2^-10. */
void blsh_inverse_fft(int32_t *values, const int16_t *gain_q14, unsigned points);

#endif
