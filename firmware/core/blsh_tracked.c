// SPDX-License-Identifier: Apache-2.0
/* Tracked features (SPEC.md, 5): the level of each band beside its noise floor. */
#include <stdbool.h>

#include "blsh_fixed.h"
#include "blsh_stages.h"

/* The root of value / 2^exponent with so many fraction bits: 15 or 16 significant bits, whatever the exponent. */
static int32_t scaled_root(uint32_t value, int32_t exponent, int32_t fraction_bits) {
    if (value == 0u) {
        return 0;
    }
    int32_t raised = 32 - blsh_bit_length(value);
    raised -= (raised + exponent) & 1;
    return blsh_shifted((int32_t)blsh_floor_sqrt32(value << raised), fraction_bits - (raised + exponent) / 2);
}

/* Fast downwards and at the start of a stream, else slowly: so the floor stays at the noise below the speech. */
static int32_t moved_floor(int32_t floor, int32_t level, uint32_t ticks) {
    const int32_t distance = level - floor;
    const bool fast = distance < 0 || ticks < BLSH_TRACKING_START;
    return floor + blsh_rounded_shift(distance, fast ? BLSH_TRACKING_FAST_SHIFT : BLSH_TRACKING_SLOW_SHIFT);
}

void blsh_track_floors(blsh_state_t *state, int32_t exponent) {
    const int32_t fraction_bits = blsh_window_of(state->model) == 512u ? 7 : 8; /* the spectrum's scale is 2^-7, 2^-9 */
    const bool begins = blsh_tick_begins(state);
    int32_t *level = state->spectral.level;
    int32_t peak = 0;
    for (unsigned band = 0; band < BLSH_TRACKED_BANDS; band++) {
        level[band] = scaled_root((uint32_t)level[band], exponent, fraction_bits);
        int32_t now = state->noise_floor[band];
        if (begins) {
            now = moved_floor(state->ticks == 0u ? level[band] : now, level[band], state->ticks);
            state->noise_floor[band] = now;
        }
        peak = level[band] > peak ? level[band] : peak;
        peak = now > peak ? now : peak;
    }
    const int32_t excess = blsh_bit_length((uint32_t)peak) - BLSH_TRACKED_BITS;
    const unsigned drop = excess > 0 ? (unsigned)excess : 0u;
    for (unsigned band = 0; band < BLSH_TRACKED_BANDS; band++) {
        state->projected.feature[band] = (int16_t)blsh_rounded_shift(level[band], drop);
        state->projected.feature[BLSH_TRACKED_BANDS + band] =
            (int16_t)blsh_rounded_shift(state->noise_floor[band], drop);
    }
}
