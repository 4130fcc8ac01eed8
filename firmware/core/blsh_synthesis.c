// SPDX-License-Identifier: Apache-2.0
/* Stage `output` (SPEC.md, 6): the inverse transform, and its frame through the window again, added to what earlier
 * frames left. */
#include <stddef.h>

#include "arch/blsh_frame.h"
#include "blsh_fft.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

static void overlap_add(blsh_state_t *state, int16_t output[BLSH_HOP]) {
    int32_t *overlap = state->overlap;
    const int32_t *values = state->frame.values;
    const int16_t *window = blsh_window_q14;
    const unsigned down = (unsigned)(state->frame.shift + 1);
    blsh_finish_part(output, overlap, values, window, down);
    blsh_add_part(overlap, overlap + 256, values + 256, window + 256, 1, down);
    blsh_add_part(overlap + 256, overlap + 512, values + 512, window + 512, -1, down);
    blsh_add_part(overlap + 512, NULL, values + 768, window + 256, -1, down);
}

void blsh_synthesise(blsh_state_t *state, int16_t output[BLSH_HOP]) {
    blsh_inverse_fft(state->frame.values, state->gain_q14);
    overlap_add(state, output);
}
