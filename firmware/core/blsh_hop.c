// SPDX-License-Identifier: Apache-2.0
/* A hop, from samples to samples: the stages of SPEC.md in their order. */
#include "blsh.h"
#include "blsh_fft.h"
#include "blsh_stages.h"

static void report(const blsh_probe_t *probe, blsh_stage_t stage, const void *values, size_t bytes) {
    if (probe != NULL) {
        probe->stage_done(probe->context, stage, values, bytes);
    }
}

void blsh_hop(blsh_state_t *state, const int16_t input[BLSH_HOP], int16_t output[BLSH_HOP], const blsh_probe_t *probe) {
    const blsh_model_t *model = state->model;

    blsh_window_frame(state, input);
    report(probe, BLSH_STAGE_WINDOW, &state->frame, (1u + BLSH_WINDOW) * sizeof(int32_t));

    blsh_forward_fft(state->frame.values);
    report(probe, BLSH_STAGE_SPECTRUM, state->frame.values, sizeof state->frame.values);

    blsh_extract_features(state);
    report(probe, BLSH_STAGE_FEATURES, state->projected.feature, model->features * sizeof(int16_t));

    blsh_project(state);
    report(probe, BLSH_STAGE_ACCUMULATORS, state->projected.accumulator, model->projections * sizeof(int32_t));

    blsh_make_code(state);
    report(probe, BLSH_STAGE_CODE, state->code, (model->bits + 31u) / 32u * sizeof(uint32_t));

    blsh_find_neighbours(state);
    report(probe, BLSH_STAGE_NEIGHBOURS, state->voted.neighbour,
           (size_t)model->dictionaries * model->neighbours * sizeof(blsh_neighbour_t));

    blsh_find_gains(state);
    report(probe, BLSH_STAGE_MASK, state->gain_q14, sizeof state->gain_q14);

    blsh_synthesise(state, output);
    report(probe, BLSH_STAGE_OUTPUT, output, BLSH_HOP * sizeof(int16_t));

    if (state->hops < BLSH_MEMORY_START) {
        state->hops++;
    }
}

/* A hop finishes the oldest BLSH_HOP samples of the frame that ends with its input. */
uint32_t blsh_delay_samples(void) { return BLSH_HISTORY; }
