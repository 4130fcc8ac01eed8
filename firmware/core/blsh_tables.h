/* Tables that no model changes; generated beside the model, so that Python and C hold the same integers. */
#ifndef BLSH_TABLES_H
#define BLSH_TABLES_H

#include <stdint.h>

#include "blsh.h"

extern const int16_t blsh_window_q14[BLSH_BINS]; /* periodic Hann, samples 0 to 512; sample n is sample 1024 - n */
extern const int16_t blsh_sine_q14[1024];        /* sin(2 pi i / 1024) */

#endif
