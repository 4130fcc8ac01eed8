// SPDX-License-Identifier: Apache-2.0
/* Stage `window` (SPEC.md, 4.1): the frame through the window, shifted left as far as the transform bears. */
#include <stdbool.h>
#include <string.h>

#include "arch/blsh_frame.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

#define MOVED 16u /* samples at a time */

static int16_t peak_bits_of(const int16_t samples[BLSH_PEAK_BLOCK]) {
    int32_t bits = 0;
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_PEAK_BLOCK; n++) {
        bits |= samples[n] ^ (samples[n] >> 15);
    }
    return (int16_t)bits;
}

/* Moves the peaks on by a hop and returns the left shift for the frame that ends with `input`: no windowed sample
 * exceeds its block's peak times the largest window there: at the end that lies nearer to the window's own peak. */
static int32_t update_shift(blsh_state_t *state, const int16_t *input) {
    const blsh_model_t *const model = state->model;
    const unsigned window = blsh_window_of(model), hop = blsh_hop_of(model);
    const unsigned blocks = window / BLSH_PEAK_BLOCK;
    const unsigned rising = (window - blsh_synthesis_of(model) / 2u) / BLSH_PEAK_BLOCK;
    int16_t *peak = state->peak;
    int32_t bound = 0;
    for (unsigned b = 0; b < blocks; b++) {
        const unsigned newer = b + hop / BLSH_PEAK_BLOCK;
        peak[b] = newer < blocks ? peak[newer] : peak_bits_of(input + (newer - blocks) * BLSH_PEAK_BLOCK);
        const unsigned edge = b < rising ? b + 1u : b;
        const int32_t block = (peak[b] + 1) * model->window_q14[BLSH_PEAK_BLOCK * edge];
        bound = block > bound ? block : bound;
    }
    return BLSH_PEAK_BITS - blsh_bit_length((uint32_t)bound - 1u);
}

/* Not inlined: history and input go through the same loops, one for each direction of the shift. */
BLSH_NEVER_INLINE void window_part(const blsh_state_t *state, int32_t *values, const int16_t *samples, unsigned count) {
    const int16_t *const window = state->model->window_q14 + (values - state->frame.values);
    const int32_t shift = state->frame.shift;
    if (shift < 0) {
        blsh_window_part(values, samples, count, window, shift, true);
    } else {
        blsh_window_part(values, samples, count, window, shift, false);
    }
}

/* Moves the `kept` newest samples to the front, over the oldest `hop`. */
static void forget(int16_t *history, unsigned hop, unsigned kept) {
    for (int16_t *const end = history + kept; history != end; history += MOVED) {
        memcpy(BLSH_ON_WORDS(history), BLSH_ON_WORDS(history + hop), MOVED * sizeof *history);
    }
}

void blsh_window_frame(blsh_state_t *state, const int16_t *input) {
    const unsigned hop = blsh_hop_of(state->model), history = blsh_window_of(state->model) - hop, kept = history - hop;
    int32_t *const values = state->frame.values;
    state->frame.shift = update_shift(state, input);
    window_part(state, values, state->history, history);
    window_part(state, values + history, input, hop);
    blsh_hear_input(state);
    forget(state->history, hop, kept);
    /* From the end, which no compiler takes for a memcpy: where samples need not lie on words, that goes byte by byte
     * on M0. */
    int16_t *const newest = state->history + kept;
    for (unsigned n = hop; n > 0u;) {
        BLSH_UNROLL(8)
        for (unsigned i = 0; i < 8u; i++) {
            n--;
            newest[n] = input[n];
        }
    }
}
