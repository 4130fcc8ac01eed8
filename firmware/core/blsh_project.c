// SPDX-License-Identifier: Apache-2.0
/* Stages `accumulators` and `code` (SPEC.md, 5): the features' projections, and what they pass. */
#include <stddef.h>

#include "arch/blsh_dot.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

static uint32_t norm_of(const int16_t *features, unsigned count) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += (uint32_t)((int32_t)features[i] * features[i]);
    }
    return blsh_floor_sqrt64(sum);
}

/* P x. */
static void find_products(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned stride = BLSH_ROW(model->features);
    const int32_t raised = BLSH_RAISED_BY * blsh_sum_s16(state->projected.feature, stride);
    const uint8_t *weight = model->projection_q7;
    for (unsigned first = 0; first < model->projections; first += 4u, weight += 4u * stride) {
        const unsigned left = model->projections - first, rows = left < 4u ? left : 4u;
        int32_t sums[4];
        blsh_dot4_u8(weight, state->projected.feature, stride, sums);
        for (unsigned row = 0; row < rows; row++) {
            state->projected.accumulator[first + row] = sums[row] - raised;
        }
    }
}

/* Adds b |x|: the sign of P x / |x| + b without a division. */
static void add_biases(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const int32_t norm = (int32_t)norm_of(state->projected.feature, model->features);
    const int32_t excess = blsh_bit_length((uint32_t)norm) - BLSH_NORM_BITS;
    const int32_t drop = excess > 0 ? excess : 0;
    for (unsigned row = 0; row < model->projections; row++) {
        const int32_t bias = model->bias_q3[row] * (norm >> drop);
        state->projected.accumulator[row] += bias >> (BLSH_BIAS_FRACTION_BITS - drop);
    }
}

void blsh_project(blsh_state_t *state) {
    find_products(state);
    if (!blsh_votes(state->model)) {
        add_biases(state);
    }
}

static void take_signs(blsh_state_t *state) {
    const int32_t *const first = state->projected.accumulator, *last = first + state->model->bits;
    while (last > first) { /* from the last word and its last bit */
        const unsigned word = (unsigned)(last - first - 1) / 32u;
        uint32_t bits = 0;
        while (last > first + 32u * word) {
            bits = bits << 1 | (uint32_t)~*--last >> 31;
        }
        state->code[word] = bits;
    }
}

/* A bit for each threshold: 1 where its projection reaches it. Thresholds ascend, so these are the lowest of its
 * bits. */
static void pass_thresholds(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned thresholds = model->thresholds;
    const int32_t *threshold = model->threshold;
    uint32_t *word = state->code, bits = 0;
    unsigned place = 0;
    for (unsigned row = 0; row < model->projections; row++) {
        const int32_t accumulator = state->projected.accumulator[row];
        unsigned reached = 0;
        while (reached < thresholds && accumulator >= threshold[reached]) {
            reached++;
        }
        threshold += thresholds;
        const uint32_t passed = (UINT32_C(1) << reached) - 1u;
        bits |= passed << place;
        place += thresholds;
        if (place >= 32u) {
            place -= 32u;
            *word++ = bits;
            bits = passed >> (thresholds - place);
        }
    }
    if (place != 0u) {
        *word = bits;
    }
}

void blsh_make_code(blsh_state_t *state) {
    if (blsh_votes(state->model)) {
        pass_thresholds(state);
    } else {
        take_signs(state);
    }
}
