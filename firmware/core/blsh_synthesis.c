// SPDX-License-Identifier: Apache-2.0
/* Stage `output` (SPEC.md, 6): the inverse transform, and the last part of its frame through the window of synthesis,
 * added to what earlier frames left. */
#include <stddef.h>

#include "arch/blsh_frame.h"
#include "blsh_fft.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

/* How values become sums of overlap-add, and those samples, in this hop. */
static blsh_scale_t scale_of(const blsh_state_t *state) {
    const blsh_model_t *const model = state->model;
    const unsigned window = blsh_window_of(model), synthesis = blsh_synthesis_of(model), hop = blsh_hop_of(model);
    const bool thirds = synthesis == window && window >= 4u * hop;
    const unsigned hops = thirds ? window / 4u : synthesis / 2u; /* 2^k hops */
    const unsigned doublings = (unsigned)(blsh_bit_length(hops) - blsh_bit_length(hop));
    return (blsh_scale_t){
        .raised = window == 1024u  ? 8u
                  : window == 512u ? 5u
                                   : 7u,
        .down = (unsigned)(state->frame.shift + 1),
        .thirds = thirds,
        .drop = BLSH_OVERLAP_FRACTION_BITS + doublings - (thirds ? 1u : 0u),
    };
}

static void overlap_add(blsh_state_t *state, int16_t *output) {
    const blsh_model_t *const model = state->model;
    const unsigned hop = blsh_hop_of(model), synthesis = blsh_synthesis_of(model), last = synthesis - hop;
    const int32_t *const values = state->frame.values + blsh_window_of(model) - synthesis;
    const int16_t *const window = model->synthesis_q14;
    const blsh_scale_t scale = scale_of(state);
    int32_t *const overlap = state->overlap;
    blsh_finish_part(output, overlap, values, window, hop, scale);
    blsh_add_part(overlap, overlap + hop, values + hop, window + hop, last - hop, scale);
    blsh_add_part(overlap + last - hop, NULL, values + last, window + last, hop, scale);
}

void blsh_synthesise(blsh_state_t *state, int16_t *output) {
    blsh_inverse_fft(state->frame.values, state->gain_q14, blsh_points_of(state->model));
    overlap_add(state, output);
}
