// SPDX-License-Identifier: Apache-2.0
/* Stages `accumulators` and `code` (SPEC.md, 5): the features' projections, and their signs. */
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

/* P x + b |x|: the sign of P x / |x| + b without a division. */
void blsh_project(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned stride = BLSH_ROW(model->features);
    const int32_t norm = (int32_t)norm_of(state->feature, model->features);
    const int32_t excess = blsh_bit_length((uint32_t)norm) - BLSH_NORM_BITS;
    const int32_t drop = excess > 0 ? excess : 0;
    const int32_t raised = BLSH_RAISED_BY * blsh_sum_s16(state->feature, stride);
    const uint8_t *weight = model->projection_q7;
    for (unsigned first = 0; first < model->bits; first += 4u, weight += 4u * stride) {
        const unsigned left = model->bits - first, rows = left < 4u ? left : 4u;
        int32_t sums[4];
        blsh_dot4_u8(weight, state->feature, stride, sums);
        for (unsigned row = 0; row < rows; row++) {
            const int32_t bias = model->bias_q3[first + row] * (norm >> drop);
            state->accumulator[first + row] = sums[row] - raised + (bias >> (BLSH_BIAS_FRACTION_BITS - drop));
        }
    }
}

void blsh_sign_bits(blsh_state_t *state) {
    const int32_t *const first = state->accumulator, *last = first + state->model->bits;
    while (last > first) { /* from the last word and its last bit */
        const unsigned word = (unsigned)(last - first - 1) / 32u;
        uint32_t bits = 0;
        while (last > first + 32u * word) {
            bits = bits << 1 | (uint32_t)~*--last >> 31;
        }
        state->code[word] = bits;
    }
}
