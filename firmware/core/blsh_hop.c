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

/* Moves the time on by a hop. A tick is rate / 62.5 samples, and rate / 64 is more than a hop less. */
static void count(blsh_state_t *state, unsigned hop) {
    const unsigned samples = state->tick_samples + hop;
    if (samples < (unsigned)state->model->rate_hz / 64u) {
        state->tick_samples = (uint16_t)samples;
        return;
    }
    state->tick_samples = 0;
    if (state->ticks < BLSH_MEMORY_START) {
        state->ticks++;
    }
}

void blsh_hop(blsh_state_t *state, const int16_t *input, int16_t *output, const blsh_probe_t *probe) {
    const blsh_model_t *model = state->model;
    const unsigned points = blsh_points_of(model), bins = blsh_bins_of(model);

    blsh_window_frame(state, input);
    report(probe, BLSH_STAGE_WINDOW, &state->frame, (1u + 2u * points) * sizeof(int32_t));

    blsh_forward_fft(state->frame.values, points);
    report(probe, BLSH_STAGE_SPECTRUM, state->frame.values, 2u * bins * sizeof(int32_t));

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
    report(probe, BLSH_STAGE_MASK, state->gain_q14, bins * sizeof(int16_t));

    blsh_synthesise(state, output);
    report(probe, BLSH_STAGE_OUTPUT, output, blsh_hop_of(model) * sizeof(int16_t));

    blsh_compare_levels(state, output);
    count(state, blsh_hop_of(model));
}

/* A hop finishes the oldest H of the last M samples of the frame that ends with its input. */
uint32_t blsh_delay_samples(const blsh_model_t *model) { return (uint32_t)model->synthesis - model->hop; }
