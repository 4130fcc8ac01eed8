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
    for (unsigned bit = 0; bit < model->bits; bit += 2u) { /* an odd last row beside itself */
        const unsigned next = bit + 1u < model->bits ? bit + 1u : bit;
        const int8_t *const rows[2] = {model->projection_q7 + bit * stride, model->projection_q7 + next * stride};
        int32_t sums[2];
        blsh_dot2_s8(rows, state->feature, stride, sums);
        const int32_t bias = model->bias_q3[bit] * (norm >> drop), next_bias = model->bias_q3[next] * (norm >> drop);
        state->accumulator[bit] = sums[0] + (bias >> (BLSH_BIAS_FRACTION_BITS - drop));
        state->accumulator[next] = sums[1] + (next_bias >> (BLSH_BIAS_FRACTION_BITS - drop));
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
