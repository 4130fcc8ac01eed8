// SPDX-License-Identifier: Apache-2.0
/* The limit of attenuation (SPEC.md, 5), and what a hop tells the application (6.4): activity and reduction. */
#include <stddef.h>

#include "arch/blsh_dot.h"
#include "blsh.h"
#include "blsh_log.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

int blsh_set_attenuation(blsh_state_t *state, unsigned db) {
    if (state == NULL) {
        return BLSH_ERR_ARGUMENT;
    }
    if (db > BLSH_MOST_ATTENUATION && db != BLSH_ATTENUATION_OFF) {
        return BLSH_ERR_ATTENUATION;
    }
    state->least_gain = db == BLSH_ATTENUATION_OFF ? 0 : blsh_least_q14[db];
    return BLSH_OK;
}

/* Not inlined, as the function below: there is more than one caller. */
BLSH_NEVER_INLINE uint64_t sum_of_squares(const int16_t *values, unsigned count) {
    return blsh_squares_s16(values, count);
}

/* The binary logarithm of the sum of squares, in steps of 1/32; 0 in silence. */
BLSH_NEVER_INLINE int32_t loudness(const int16_t *samples, unsigned count) {
    const uint64_t energy = sum_of_squares(samples, count);
    return energy <= UINT32_MAX ? blsh_log_level((uint32_t)energy, 0, 0)
                                : blsh_log_level((uint32_t)(energy >> 8), -8, 0); /* of at most 39 bits */
}

void blsh_hear_input(blsh_state_t *state) {
    const blsh_model_t *const model = state->model;
    const unsigned oldest = blsh_window_of(model) - blsh_synthesis_of(model); /* of the samples that are made again */
    state->input_level = (uint16_t)loudness(state->history + oldest, blsh_hop_of(model));
}

/* 255 times the part, rounded; the part is at most the whole. Without a division, for which M0 would need a library. */
static uint8_t share_of(uint32_t part, uint32_t whole) {
    uint32_t left = BLSH_MOST_ACTIVITY * part + whole / 2u, share = 0;
    for (uint32_t bit = 128u; bit > 0u; bit >>= 1) {
        if (left >= whole * bit) {
            left -= whole * bit;
            share += bit;
        }
    }
    return (uint8_t)share;
}

void blsh_limit_gains(blsh_state_t *state) {
    const blsh_model_t *const model = state->model;
    const unsigned bands = model->mask_bands, active = model->band_edge != NULL ? bands : blsh_window_of(model) / 8u;
    int16_t *const gain = state->gain_q14;
    const uint32_t energy = (uint32_t)(sum_of_squares(gain, active) >> BLSH_ENERGY_SHIFT);
    state->activity = state->input_level == 0u ? 0u : share_of(energy, 256u * active);
    const int16_t least = state->least_gain;
    if (least == 0) {
        return;
    }
    BLSH_UNROLL(4)
    for (unsigned band = 0; band < bands; band++) {
        if (gain[band] < least) {
            gain[band] = least;
        }
    }
}

void blsh_compare_levels(blsh_state_t *state, const int16_t *output) {
    const int32_t fall = (int32_t)state->input_level - loudness(output, blsh_hop_of(state->model));
    state->reduction_db = fall > 0 ? (uint8_t)blsh_rounded_shift(BLSH_STEP_DB_Q16 * fall, 16) : 0u;
}

uint8_t blsh_activity(const blsh_state_t *state) { return state->activity; }

int blsh_reduction_db(const blsh_state_t *state) { return state->reduction_db; }
