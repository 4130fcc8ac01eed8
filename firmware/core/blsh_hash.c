#include <string.h>

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
void blsh_project(blsh_state_t *state, const int16_t *features) {
    const blsh_model_t *model = state->model;
    const int16_t *row = model->projection_q15;
    const int64_t norm = norm_of(features, model->features);
    for (unsigned bit = 0; bit < model->bits; bit++) {
        int64_t sum = model->bias_q15[bit] * norm;
        for (unsigned i = 0; i < model->features; i++) {
            sum += (int32_t)row[i] * features[i];
        }
        state->accumulator[bit] = sum;
        row += model->features;
    }
}

void blsh_sign_bits(blsh_state_t *state) {
    memset(state->code, 0, sizeof state->code);
    for (unsigned bit = 0; bit < state->model->bits; bit++) {
        if (state->accumulator[bit] >= 0) {
            state->code[bit / 32u] |= UINT32_C(1) << (bit % 32u);
        }
    }
}
