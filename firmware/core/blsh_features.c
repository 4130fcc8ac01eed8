// SPDX-License-Identifier: Apache-2.0
/* Stage `features` (SPEC.md, 5): magnitudes of the bins, and the features that a model takes from them. */
#include "arch/blsh_dot.h"
#include "arch/blsh_frame.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

/* Writes the magnitudes, each shifted right by `halved` more than the spectrum was; returns by how much that was. */
static unsigned find_magnitudes(blsh_state_t *state, int16_t *magnitude, unsigned halved) {
    const unsigned bins = blsh_bins_of(state->model);
    const int32_t excess = blsh_bit_length(blsh_size_bits(state->frame.values, bins)) - BLSH_FEATURE_BITS;
    const unsigned drop = excess > 0 ? (unsigned)excess : 0u;
    blsh_magnitudes(state->frame.values, magnitude, bins, drop, 14u + halved);
    return drop;
}

/* The magnitudes through the filter of a band, times 2^16; afterwards *weight is that of the next band. */
static inline int32_t filtered(const blsh_model_t *model, const int16_t *magnitude, unsigned band,
                               const int16_t **weight) {
    const unsigned count = (unsigned)model->mel_count[band];
    const int32_t sum = blsh_dot_s16(magnitude + model->mel_first[band], *weight, count);
    *weight += count;
    return sum;
}

void blsh_extract_features(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const int16_t *weight = model->mel_weight_q16;
    const unsigned kind = blsh_votes(model) ? BLSH_FEATURES_MEMORY : model->feature_kind;
    int16_t *const magnitude = kind == BLSH_FEATURES_MEL ? state->filtered.magnitude : state->spectral.magnitude;
    const unsigned drop = find_magnitudes(state, magnitude, kind == BLSH_FEATURES_STFT ? 1u : 0u);
    if (kind == BLSH_FEATURES_MEL) {
        for (unsigned band = 0; band < model->features; band++) {
            state->filtered.feature[band] = (int16_t)(filtered(model, magnitude, band, &weight) >> 16);
        }
    } else if (kind != BLSH_FEATURES_STFT) {
        const int32_t exponent = state->frame.shift - (int32_t)drop;
        for (unsigned band = 0; band < BLSH_TRACKED_BANDS; band++) {
            state->spectral.level[band] = filtered(model, magnitude, band, &weight);
        }
        if (blsh_votes(model)) {
            blsh_remember(state, exponent);
        } else {
            blsh_track_floors(state, exponent);
        }
    }
}
