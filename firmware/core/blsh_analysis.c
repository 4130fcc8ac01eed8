#include <string.h>

#include "blsh_fixed.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#define PEAK_BITS 28   /* of the shifted frame: the transform then cannot overflow, SPEC.md, 7 */
#define FEATURE_BITS 15 /* of a spectrum component before it is squared */

static inline int32_t window_at(unsigned n) { return blsh_window_q14[n < BLSH_BINS ? n : BLSH_WINDOW - n]; }

void blsh_window_frame(blsh_state_t *state, const int16_t input[BLSH_HOP]) {
    int32_t *values = state->frame.values;
    uint32_t peak = 0;
    for (unsigned n = 0; n < BLSH_WINDOW; n++) {
        const int16_t sample = n < BLSH_HISTORY ? state->history[n] : input[n - BLSH_HISTORY];
        values[n] = sample * window_at(n);
        const uint32_t magnitude = blsh_magnitude_of(values[n]);
        if (magnitude > peak) {
            peak = magnitude;
        }
    }
    const int32_t shift = peak == 0u ? 0 : PEAK_BITS - blsh_bit_length(peak);
    for (unsigned n = 0; n < BLSH_WINDOW; n++) {
        values[n] = blsh_shifted(values[n], shift);
    }
    state->frame.shift = shift;
    memmove(state->history, state->history + BLSH_HOP, (BLSH_HISTORY - BLSH_HOP) * sizeof(int16_t));
    memcpy(state->history + BLSH_HISTORY - BLSH_HOP, input, BLSH_HOP * sizeof(int16_t));
}

static unsigned excess_bits(const int32_t *values) {
    uint32_t peak = 0;
    for (unsigned i = 0; i < 2u * BLSH_BINS; i++) {
        const uint32_t magnitude = blsh_magnitude_of(values[i]);
        if (magnitude > peak) {
            peak = magnitude;
        }
    }
    const int32_t excess = blsh_bit_length(peak) - FEATURE_BITS;
    return excess > 0 ? (unsigned)excess : 0u;
}

/* Returns the bits by which the spectrum was shifted down. */
static int32_t find_magnitudes(blsh_state_t *state) {
    const int32_t *values = state->frame.values;
    const unsigned drop = excess_bits(values);
    for (unsigned k = 0; k < BLSH_BINS; k++) {
        const uint32_t re = blsh_magnitude_of(blsh_rounded_shift(values[2u * k], drop));
        const uint32_t im = blsh_magnitude_of(blsh_rounded_shift(values[2u * k + 1u], drop));
        state->bin.magnitude[k] = (int16_t)((blsh_floor_sqrt32(re * re + im * im) + 1u) >> 1);
    }
    return (int32_t)drop;
}

/* The magnitudes through the filter of a band, times 2^16; afterwards *weight is that of the next band. */
static inline int32_t filtered(const blsh_state_t *state, unsigned band, const int16_t **weight) {
    const int16_t *magnitude = state->bin.magnitude + state->model->mel_first[band];
    int32_t sum = 0;
    for (int bin = 0; bin < state->model->mel_count[band]; bin++) {
        sum += magnitude[bin] * *(*weight)++;
    }
    return sum;
}

const int16_t *blsh_extract_features(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const int16_t *weight = model->mel_weight_q16;
    const int32_t drop = find_magnitudes(state);
    if (model->feature_kind == BLSH_FEATURES_STFT) {
        return state->bin.magnitude;
    }
    if (model->feature_kind == BLSH_FEATURES_MEL) {
        for (unsigned band = 0; band < model->features; band++) {
            state->feature[band] = (int16_t)blsh_rounded_shift(filtered(state, band, &weight), 16u);
        }
    } else {
        for (unsigned band = 0; band < BLSH_TRACKED_BANDS; band++) {
            state->level[band] = filtered(state, band, &weight);
        }
        blsh_track_floors(state, state->frame.shift - drop);
    }
    return state->feature;
}
