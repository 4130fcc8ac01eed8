// SPDX-License-Identifier: Apache-2.0
/* Tables that no model changes; generated beside the model, so that Python and C hold the same integers. */
#ifndef BLSH_TABLES_H
#define BLSH_TABLES_H

#include <stdint.h>

#include "arch/blsh_multiply.h"
#include "blsh_constants.h"

/* Turns: cosine (low) and sine (high) of 2 pi i / 1024. */
extern const blsh_factors_t blsh_turn_q14[384];  /* i = 2 k, 4 k, 6 k for k = 0, 1, ... 127, as the stages read them */
extern const blsh_factors_t blsh_split_q14[256]; /* i = 0, 1, ... 255, for the real split */

/* The binary logarithm of 1 + (i + 1/2) / 64, in 1/32, for the 6 bits i behind the leading one of a number. */
extern const uint8_t blsh_log2_q5[1u << BLSH_LOG_INDEX_BITS];

/* The least gain, Q1.14, with a limit of attenuation of 0, 1, ... dB. */
extern const int16_t blsh_least_q14[BLSH_MOST_ATTENUATION + 1u];

#endif
