#include <string.h>

#include "blsh_fixed.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#define OVERLAP_FRACTION_BITS 8u
#define THIRD_Q16 21845 /* squared Hann windows sum to 3/2; a third here, and one bit less in the last shift */

void blsh_apply_gains(blsh_state_t *state) {
    int32_t *values = state->frame.values;
    for (unsigned k = 0; k < BLSH_BINS; k++) {
        values[2u * k] = blsh_mul_r16(values[2u * k], state->bin.gain_q14[k]);
        values[2u * k + 1u] = blsh_mul_r16(values[2u * k + 1u], state->bin.gain_q14[k]);
    }
}

/* A windowed output sample in Q23.8, whatever block shift its frame had. */
static inline int32_t synthesised(const blsh_state_t *state, unsigned n) {
    const int32_t window = blsh_window_q14[n < BLSH_BINS ? n : BLSH_WINDOW - n];
    return blsh_shifted(blsh_mul_r16(state->frame.values[n] * 256, window), -(state->frame.shift + 1));
}

static inline int16_t output_sample(int32_t total) {
    const int32_t step = blsh_rounded_shift(blsh_mul_r16(total, THIRD_Q16), OVERLAP_FRACTION_BITS - 1u);
    return (int16_t)(step > INT16_MAX ? INT16_MAX : step < INT16_MIN ? INT16_MIN : step);
}

void blsh_overlap_add(blsh_state_t *state, int16_t output[BLSH_HOP]) {
    int32_t *overlap = state->overlap;
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        output[n] = output_sample(overlap[n] + synthesised(state, n));
    }
    for (unsigned n = BLSH_HOP; n < BLSH_HISTORY; n++) {
        overlap[n - BLSH_HOP] = overlap[n] + synthesised(state, n);
    }
    for (unsigned n = BLSH_HISTORY; n < BLSH_WINDOW; n++) {
        overlap[n - BLSH_HOP] = synthesised(state, n);
    }
}
