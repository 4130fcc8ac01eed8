#include <string.h>

#include "blsh_dot.h"
#include "blsh_fixed.h"
#include "blsh_points.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#define PEAK_BITS 28    /* of the shifted frame, at most: the transform then cannot overflow, SPEC.md, 7 */
#define PEAK_BLOCK 64u  /* samples with one bound */
#define PEAK_BLOCKS (BLSH_WINDOW / PEAK_BLOCK)
#define FEATURE_BITS 14 /* of a spectrum component in a magnitude */

/* ---- window ---------------------------------------------------------------------------------------------------- */

static int16_t peak_bits_of(const int16_t samples[PEAK_BLOCK]) {
    int32_t bits = 0;
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < PEAK_BLOCK; n++) {
        bits |= samples[n] ^ (samples[n] >> 15);
    }
    return (int16_t)bits;
}

/* The left shift for the frame that ends with `input`: no windowed sample exceeds its block's peak times the largest
 * window there. */
static int32_t find_shift(blsh_state_t *state, const int16_t input[BLSH_HOP]) {
    int16_t *peak = state->peak;
    int32_t bound = 0;
    for (unsigned b = 0; b < PEAK_BLOCKS; b++) {
        const unsigned newer = b + BLSH_HOP / PEAK_BLOCK;
        peak[b] = newer < PEAK_BLOCKS ? peak[newer] : peak_bits_of(input + (newer - PEAK_BLOCKS) * PEAK_BLOCK);
        const unsigned edge = b < PEAK_BLOCKS / 2u ? b + 1u : PEAK_BLOCKS - b;
        const int32_t block = (peak[b] + 1) * blsh_window_q14[PEAK_BLOCK * edge];
        bound = block > bound ? block : bound;
    }
    return PEAK_BITS - blsh_bit_length((uint32_t)bound - 1u);
}

/* A quarter of the frame or two through the half of the window that rises (step 1) or falls (step -1); `shift` is -1 only
 * where `halve` says so. */
static inline void window_part(int32_t *values, const int16_t *samples, unsigned count, const int16_t *window,
                               int step, int32_t shift, bool halve) {
#if defined(__ARM_FEATURE_MVE)
    const uint32x4_t place = step > 0 ? vidupq_n_u32(0, 1) : vddupq_n_u32(3, 1);
    const int16_t *lowest = step > 0 ? window : window - 3;
    (void)halve;
    for (unsigned n = 0; n < count; n += 4u) {
        const int32x4_t w = vldrhq_gather_shifted_offset_s32(lowest, place);
        const int32x4_t product = vmulq_s32(vldrhq_s32(samples + n), w);
        vstrwq_s32(values + n, vshlq_r_s32(product, shift));
        lowest += 4 * step;
    }
#else
    BLSH_UNROLL(4)
    for (unsigned n = 0; n < count; n += 2u) {
        const int32_t first = samples[n] * window[0], second = samples[n + 1u] * window[step];
        blsh_store((blsh_point_t *)(values + n), halve ? first >> 1 : (int32_t)((uint32_t)first << shift),
                   halve ? second >> 1 : (int32_t)((uint32_t)second << shift));
        window += 2 * step;
    }
#endif
}

static inline void window_all(blsh_state_t *state, const int16_t input[BLSH_HOP], bool halve) {
    int32_t *values = state->frame.values;
    const int32_t shift = state->frame.shift;
    window_part(values, state->history, BLSH_WINDOW / 2u, blsh_window_q14, 1, shift, halve);
    window_part(values + 512, state->history + 512, BLSH_HOP, blsh_window_q14 + 512, -1, shift, halve);
    window_part(values + BLSH_HISTORY, input, BLSH_HOP, blsh_window_q14 + BLSH_HOP, -1, shift, halve);
}

void blsh_window_frame(blsh_state_t *state, const int16_t input[BLSH_HOP]) {
    state->frame.shift = find_shift(state, input);
    if (state->frame.shift < 0) {
        window_all(state, input, true);
    } else {
        window_all(state, input, false);
    }
    memmove(state->history, state->history + BLSH_HOP, (BLSH_HISTORY - BLSH_HOP) * sizeof(int16_t));
    /* From the end, which no compiler takes for a memcpy: of what need not lie on words, that goes byte by byte on M0. */
    BLSH_UNROLL(8)
    for (unsigned n = BLSH_HOP; n-- > 0u;) {
        state->history[BLSH_HISTORY - BLSH_HOP + n] = input[n];
    }
}

/* ---- features -------------------------------------------------------------------------------------------------- */

/* value, or its complement where it is negative: a magnitude without overflow, at most one too small */
static inline int32_t size_of(int32_t value) { return value ^ (value >> 31); }

static unsigned excess_bits(const int32_t *values) {
    int32_t bits = 0;
    unsigned i = 0;
#if defined(__ARM_FEATURE_MVE)
    int32x4_t all = vdupq_n_s32(0);
    for (; i < 2u * BLSH_BINS - 2u; i += 4u) {
        const int32x4_t value = vldrwq_s32(values + i);
        all = vorrq_s32(all, veorq_s32(value, vshrq_n_s32(value, 31)));
    }
    bits = vgetq_lane_s32(all, 0) | vgetq_lane_s32(all, 1) | vgetq_lane_s32(all, 2) | vgetq_lane_s32(all, 3);
#endif
    BLSH_UNROLL(9)
    for (; i < 2u * BLSH_BINS; i += 2u) {
        const blsh_point_t bin = blsh_load((const blsh_point_t *)(values + i));
        bits |= size_of(bin.re) | size_of(bin.im);
    }
    const int32_t excess = blsh_bit_length((uint32_t)bits) - FEATURE_BITS;
    return excess > 0 ? (unsigned)excess : 0u;
}

/* Returns the bits by which the spectrum was shifted down; the magnitudes are shifted by `halved` more. */
static unsigned find_magnitudes(blsh_state_t *state, unsigned halved) {
    const int32_t *value = state->frame.values;
    const unsigned drop = excess_bits(value);
    const unsigned down = 14u + halved;
    int16_t *magnitude = state->feature;
    int16_t *const end = magnitude + BLSH_BINS;
#if defined(__ARM_FEATURE_MVE)
    const unsigned step = 1; /* one bin is left */
    for (; magnitude + 4 <= end; magnitude += 4) {
        int32x4x2_t z = vld2q_s32(value);
        z.val[0] = vshlq_r_s32(veorq_s32(z.val[0], vshrq_n_s32(z.val[0], 31)), -(int32_t)drop);
        z.val[1] = vshlq_r_s32(veorq_s32(z.val[1], vshrq_n_s32(z.val[1], 31)), -(int32_t)drop);
        const int32x4_t rounded = vaddq_n_s32(blsh_moduli_q14(z), 0x2000);
        vstrhq_s32(magnitude, vshlq_r_s32(rounded, -(int32_t)down));
        value += 8;
    }
#else
    const unsigned step = 3;
    _Static_assert(BLSH_BINS % 3u == 0u, "three bins at a time");
#endif
    while (magnitude < end) {
        BLSH_UNROLL(3)
        for (unsigned i = 0; i < step; i++) {
            const blsh_point_t bin = blsh_load((const blsh_point_t *)value + i);
            const int32_t re = size_of(bin.re) >> drop, im = size_of(bin.im) >> drop;
            magnitude[i] = (int16_t)((blsh_modulus_q14(re, im) + 0x2000) >> down);
        }
        magnitude += step;
        value += 2u * step;
    }
    return drop;
}

/* The magnitudes through the filter of a band, times 2^16; afterwards *weight is that of the next band. */
static inline int32_t filtered(const blsh_state_t *state, unsigned band, const int16_t **weight) {
    const unsigned count = (unsigned)state->model->mel_count[band];
    const int32_t sum = blsh_dot_s16(state->feature + state->model->mel_first[band], *weight, count);
    *weight += count;
    return sum;
}

void blsh_extract_features(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const int16_t *weight = model->mel_weight_q16;
    const unsigned drop = find_magnitudes(state, model->feature_kind == BLSH_FEATURES_STFT ? 1u : 0u);
    if (model->feature_kind == BLSH_FEATURES_MEL) {
        for (unsigned band = 0; band < model->features; band++) { /* over magnitudes that no later band covers */
            state->feature[band] = (int16_t)(filtered(state, band, &weight) >> 16);
        }
    } else if (model->feature_kind == BLSH_FEATURES_TRACKED) {
        for (unsigned band = 0; band < BLSH_TRACKED_BANDS; band++) {
            state->level[band] = filtered(state, band, &weight);
        }
        blsh_track_floors(state, state->frame.shift - (int32_t)drop);
    }
}
