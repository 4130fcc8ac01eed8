// SPDX-License-Identifier: Apache-2.0
/* Stage `mask` (SPEC.md, 5): the masks of the neighbours averaged, or votes counted; then smoothed, and spread over
 * the bins. */
#include <stdbool.h>
#include <stddef.h>

#include "blsh_fixed.h"
#include "blsh_stages.h"

typedef struct {
    const uint32_t *row[BLSH_MAX_NEIGHBOURS]; /* the mask of each neighbour */
    unsigned count;
} masks_t;

static void find_masks(const blsh_state_t *state, masks_t *masks) {
    const blsh_model_t *model = state->model;
    const unsigned words = blsh_mask_words(model);
    unsigned n = 0;
    masks->count = model->neighbours;
    do { /* at least one, or blsh_init had refused the model: gcc must know that row[0] is set */
        masks->row[n] = model->masks + state->voted.neighbour[n].index * words;
        n++;
    } while (n < masks->count);
}

/* ---- IBMs: 32 votes at a time, counted in bit planes ------------------------------------------------------------- */

/* plane[p] gets bit p of the number of masks that have each bit of this word. */
static inline void count_bits(const masks_t *masks, unsigned word, uint32_t *plane, unsigned planes) {
    BLSH_UNROLL(6)
    for (unsigned p = 0; p < planes; p++) {
        plane[p] = 0;
    }
    for (unsigned n = 0; n < masks->count; n++) {
        uint32_t carry = masks->row[n][word];
        BLSH_UNROLL(6)
        for (unsigned p = 0; p < planes; p++) {
            const uint32_t before = plane[p];
            plane[p] = before ^ carry;
            carry &= before;
        }
    }
}

/* The counts of a word's bits as gains: every eighth bit's count is put together in the bytes of one word. */
static inline void gains_of_counts(const uint32_t *plane, unsigned planes, const int16_t *gain, int16_t *bin) {
    for (unsigned place = 0; place < 8u; place++) {
        uint32_t counts = 0;
        BLSH_UNROLL(6)
        for (unsigned p = planes; p-- > 0u;) {
            counts = counts << 1 | (plane[p] >> place & 0x01010101u);
        }
        bin[place] = gain[counts & 255u];
        bin[place + 8u] = gain[counts >> 8 & 255u];
        bin[place + 16u] = gain[counts >> 16 & 255u];
        bin[place + 24u] = gain[counts >> 24];
    }
}

/* `planes` is a constant where this is called, so that its loops unroll. */
BLSH_ALWAYS_INLINE void average_bits(blsh_state_t *state, const masks_t *masks, unsigned planes) {
    const int16_t *gain = state->model->gain_q14;
    const unsigned words = blsh_points_of(state->model) / 32u; /* and a bit: the last bin's */
    uint32_t plane[6];
    unsigned word = 0;
    for (; word < words; word++) {
        count_bits(masks, word, plane, planes);
        gains_of_counts(plane, planes, gain, state->gain_q14 + 32u * word);
    }
    unsigned votes = 0;
    for (unsigned n = 0; n < masks->count; n++) {
        votes += masks->row[n][word] & 1u;
    }
    state->gain_q14[32u * words] = gain[votes];
}

/* ---- levels of bands: four at a time, in the bytes of a word ----------------------------------------------------- */

static inline uint32_t add_levels(const masks_t *masks, unsigned from, unsigned to, unsigned word, unsigned shift,
                                  uint32_t lanes) {
    uint32_t sums = 0;
    for (unsigned n = from; n < to; n++) {
        sums += masks->row[n][word] >> shift & lanes;
    }
    return sums;
}

static void average_levels(blsh_state_t *state, const masks_t *masks) {
    const blsh_model_t *model = state->model;
    const int16_t *gain = model->gain_q14;
    const unsigned level_bits = model->mask_level_bits;
    const unsigned per_byte = level_bits == 4u ? 2u : level_bits == 2u ? 4u : 8u;
    const uint32_t lanes = ((1u << level_bits) - 1u) * 0x01010101u;
    const unsigned in_byte = level_bits == 4u ? 17u : BLSH_MAX_NEIGHBOURS; /* neighbours whose levels add up in it */
    const unsigned near = masks->count < in_byte ? masks->count : in_byte;
    const unsigned words = blsh_mask_words(model);
    int16_t *band = state->gain_q14; /* past the last band, the padding's gains are written and then spread over */
    for (unsigned word = 0; word < words; word++) {
        unsigned place = 0;
        for (unsigned shift = 0; shift < 8u; shift += level_bits) {
            uint32_t low = add_levels(masks, 0, near, word, shift, lanes);
            uint32_t high = add_levels(masks, near, masks->count, word, shift, lanes);
            int16_t *at = band + place;
            for (unsigned lane = 0; lane < 32u; lane += 8u) {
                *at = gain[(low & 255u) + (high & 255u)];
                low >>= 8;
                high >>= 8;
                at += per_byte;
            }
            place++;
        }
        band += 4u * per_byte;
    }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* Smooths gains, or sums of votes, which lie in the same place. The first hop takes its own as they are. */
static void smooth(blsh_state_t *state, unsigned bands) {
    const bool first = blsh_first_hop(state);
    const int32_t rising = first ? 0 : state->model->smoothing, falling = first ? 0 : state->model->smoothing_down;
    int16_t *const value = state->band_value, *const smoothed = state->smoothed;
    for (unsigned band = 0; band < bands; band++) {
        const int32_t raw = value[band];
        const int32_t back = smoothed[band] - raw; /* of the way to the value before, a part is gone */
        const int16_t now = (int16_t)(raw + (((back > 0 ? falling : rising) * back + 8) >> 4));
        smoothed[band] = now;
        value[band] = now;
    }
}

/* From gains of bands to gains of bins, in place: from the last, because no band begins before its own number. */
static void spread(blsh_state_t *state) {
    const int16_t *edge = state->model->band_edge;
    unsigned bin = blsh_bins_of(state->model);
    for (unsigned band = state->model->mask_bands; band-- > 0u;) {
        const int16_t gain = state->gain_q14[band];
        const unsigned first = (unsigned)edge[band];
        while (bin >= first + 4u) {
            bin -= 4u;
            int16_t *const four = state->gain_q14 + bin;
            four[0] = gain;
            four[1] = gain;
            four[2] = gain;
            four[3] = gain;
        }
        while (bin > first) {
            state->gain_q14[--bin] = gain;
        }
    }
}

/* Not inlined: beside the loops of blsh_find_gains fewer of its values would stay in registers on M0. */
BLSH_NEVER_INLINE void average_masks(blsh_state_t *state) {
    masks_t masks;
    find_masks(state, &masks);
    if (state->model->band_edge != NULL) {
        average_levels(state, &masks);
    } else if (masks.count < 16u) {
        average_bits(state, &masks, 4);
    } else {
        average_bits(state, &masks, 6);
    }
}

void blsh_find_gains(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    if (blsh_votes(model)) {
        blsh_count_votes(state);
    } else {
        average_masks(state);
    }
    if ((model->smoothing | model->smoothing_down) != 0u) {
        smooth(state, model->mask_bands);
    }
    if (blsh_votes(model)) {
        blsh_answer_votes(state);
    }
    blsh_limit_gains(state);
    if (model->band_edge != NULL) {
        spread(state);
    }
}
