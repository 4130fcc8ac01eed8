// SPDX-License-Identifier: Apache-2.0
/* Stage `window` (SPEC.md, 4.1): the frame through the window, shifted left as far as the transform bears. */
#include <stdbool.h>
#include <string.h>

#include "arch/blsh_frame.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#define PEAK_BLOCKS (BLSH_WINDOW / BLSH_PEAK_BLOCK)

static int16_t peak_bits_of(const int16_t samples[BLSH_PEAK_BLOCK]) {
    int32_t bits = 0;
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_PEAK_BLOCK; n++) {
        bits |= samples[n] ^ (samples[n] >> 15);
    }
    return (int16_t)bits;
}

/* Moves the peaks on by a hop and returns the left shift for the frame that ends with `input`: no windowed sample
 * exceeds its block's peak times the largest window there. */
static int32_t update_shift(blsh_state_t *state, const int16_t input[BLSH_HOP]) {
    int16_t *peak = state->peak;
    int32_t bound = 0;
    for (unsigned b = 0; b < PEAK_BLOCKS; b++) {
        const unsigned newer = b + BLSH_HOP / BLSH_PEAK_BLOCK;
        peak[b] = newer < PEAK_BLOCKS ? peak[newer] : peak_bits_of(input + (newer - PEAK_BLOCKS) * BLSH_PEAK_BLOCK);
        const unsigned edge = b < PEAK_BLOCKS / 2u ? b + 1u : PEAK_BLOCKS - b;
        const int32_t block = (peak[b] + 1) * blsh_window_q14[BLSH_PEAK_BLOCK * edge];
        bound = block > bound ? block : bound;
    }
    return BLSH_PEAK_BITS - blsh_bit_length((uint32_t)bound - 1u);
}

static inline void window_all(blsh_state_t *state, const int16_t input[BLSH_HOP], bool halve) {
    int32_t *values = state->frame.values;
    const int32_t shift = state->frame.shift;
    blsh_window_part(values, state->history, BLSH_WINDOW / 2u, blsh_window_q14, 1, shift, halve);
    blsh_window_part(values + 512, state->history + 512, BLSH_HOP, blsh_window_q14 + 512, -1, shift, halve);
    blsh_window_part(values + BLSH_HISTORY, input, BLSH_HOP, blsh_window_q14 + BLSH_HOP, -1, shift, halve);
}

void blsh_window_frame(blsh_state_t *state, const int16_t input[BLSH_HOP]) {
    state->frame.shift = update_shift(state, input);
    if (state->frame.shift < 0) {
        window_all(state, input, true);
    } else {
        window_all(state, input, false);
    }
    memmove(state->history, state->history + BLSH_HOP, (BLSH_HISTORY - BLSH_HOP) * sizeof(int16_t));
    /* From the end, which no compiler takes for a memcpy: where samples need not lie on words, that goes byte by byte
     * on M0. */
    BLSH_UNROLL(8)
    for (unsigned n = BLSH_HOP; n-- > 0u;) {
        state->history[BLSH_HISTORY - BLSH_HOP + n] = input[n];
    }
}
