// SPDX-License-Identifier: Apache-2.0
/* Whether a model can be worked with, and the start of a stream. */
#include <stdbool.h>
#include <string.h>

#include "blsh.h"
#include "blsh_crc32.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

_Static_assert((-1 >> 1) == -1, "right shifts of negative values must be arithmetic");

/* Digests are over memory, and SPEC.md states them over little-endian words. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the core is for little-endian machines");

const char *blsh_error_text(int result) {
    switch (result) {
#define BLSH_CASE(name, value, text)                                                                                   \
    case name:                                                                                                         \
        return text;
        BLSH_ERRORS(BLSH_CASE)
#undef BLSH_CASE
    default:
        return "unknown result";
    }
}

const char *blsh_stage_name(blsh_stage_t stage) {
    static const char *const names[BLSH_STAGE_COUNT] = {
#define BLSH_NAME(name, text) text,
        BLSH_STAGES(BLSH_NAME)
#undef BLSH_NAME
    };
    return (unsigned)stage < BLSH_STAGE_COUNT ? names[stage] : "unknown stage";
}

static uint32_t crc32_of_masks(uint32_t crc, const blsh_model_t *model) {
    if (!blsh_votes(model)) {
        return blsh_crc32(crc, model->masks, (size_t)model->entries * blsh_mask_words(model) * sizeof(uint32_t));
    }
    crc = blsh_crc32(crc, model->vote, (size_t)model->entries * model->mask_bands);
    crc = blsh_crc32(crc, model->weight, (size_t)model->dictionaries * BLSH_VOTE_WEIGHTS);
    if (model->bit_vote == NULL) {
        return crc;
    }
    return blsh_crc32(crc, model->bit_vote, (size_t)model->projections * (model->thresholds + 1u) * model->mask_bands);
}

uint32_t blsh_dictionary_crc32(const blsh_model_t *model) {
    const size_t blocks = (model->entries + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    const size_t groups = (blocks + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    const size_t planes = BLSH_PLANES((size_t)model->bits), rows = (unsigned)blsh_bit_length(model->radius) + planes;
    uint32_t crc = blsh_crc32(0, model->planes, model->dictionaries * blocks * planes * sizeof(uint32_t));
    if (!blsh_ranks(model)) {
        crc = blsh_crc32(crc, model->bounds, model->dictionaries * groups * rows * sizeof(uint32_t));
    }
    return crc32_of_masks(crc, model);
}

static bool is_power_of_2(unsigned value) { return value != 0u && (value & (value - 1u)) == 0u; }

/* A rate, windows and a hop that go together, and that this core was compiled for. */
static bool sizes_known(const blsh_model_t *model) {
    const unsigned window = model->window, hop = model->hop, synthesis = model->synthesis;
    const unsigned longest = model->rate_hz == 16000u ? BLSH_LARGEST_HOP : BLSH_LARGEST_HOP / 2u; /* 16 ms */
    if ((model->rate_hz != 16000u && model->rate_hz != 8000u) || !is_power_of_2(window) || !is_power_of_2(hop) ||
        !is_power_of_2(synthesis) || (window & 256u * BLSH_WINDOWS) == 0u || hop < BLSH_LEAST_HOP || hop > longest ||
        synthesis < 2u * hop || synthesis > window) {
        return false;
    }
    const unsigned history = window - hop, overlap = synthesis - hop;
    return BLSH_ONE_GEOMETRY ? history == BLSH_MAX_HISTORY && overlap == BLSH_MAX_OVERLAP
                             : history <= BLSH_MAX_HISTORY && overlap <= BLSH_MAX_OVERLAP;
}

/* A window of analysis that rises from 0 to 1 and falls, as the bound of a block's peak takes it to, and not suddenly
 * (SPEC.md, 4.1 and 7). */
static bool analysis_known(const blsh_model_t *model) {
    const int16_t *const window = model->window_q14;
    const unsigned peak = model->window - model->synthesis / 2u;
    int32_t sum = 0;
    for (unsigned n = 1; n < model->window; n++) {
        const int step = window[n] - window[n - 1u];
        if (n <= peak ? step < 0 : step > 0) {
            return false;
        }
        sum += window[n];
    }
    return window[0] == 0 && window[model->window - 1u] >= 0 && window[peak] == BLSH_GAIN_ONE_Q14 &&
           2 * window[1] <= window[BLSH_PEAK_BLOCK] && sum <= (int32_t)(21u * model->window) * (BLSH_GAIN_ONE_Q14 / 32);
}

/* Windows whose products sum to the same in all samples of a hop: 3/8 N / H, or M / 2 H, but for rounding. */
static bool products_known(const blsh_model_t *model) {
    const unsigned hop = model->hop, synthesis = model->synthesis;
    const int16_t *const analysis = model->window_q14 + model->window - synthesis;
    const bool twice =
        synthesis == model->window && synthesis >= 4u * hop; /* the Hann window, analysis and synthesis */
    const uint32_t gain = twice ? 3u * (synthesis / hop) << 25 : synthesis / hop << 27;
    for (unsigned place = 0; place < hop; place++) {
        uint32_t sum = 0;
        int32_t weights = 0;
        for (unsigned n = place; n < synthesis; n += hop) {
            if (model->synthesis_q14[n] < 0 || model->synthesis_q14[n] > BLSH_GAIN_ONE_Q14) {
                return false;
            }
            weights += model->synthesis_q14[n];
            sum += (uint32_t)(analysis[n] * model->synthesis_q14[n]);
        }
        if (sum - gain + (1u << 18) > 1u << 19 || weights > 8 * BLSH_GAIN_ONE_Q14) {
            return false;
        }
    }
    return true;
}

static bool geometry_known(const blsh_model_t *model) {
    return sizes_known(model) && model->window_q14 != NULL && model->synthesis_q14 != NULL && analysis_known(model) &&
           products_known(model);
}

/* Weights that keep the sum of a band below 2^31, and so every feature within the bounds of SPEC.md, 7. */
static bool weights_known(const int16_t *weight, unsigned count) {
    int32_t sum = 0;
    for (const int16_t *const end = weight + count; weight < end; weight++) {
        if (*weight < 0) {
            return false;
        }
        sum += *weight;
    }
    return sum <= BLSH_MEL_SUM_MAX;
}

/* Bands that stay inside the spectrum. */
static bool bands_known(const blsh_model_t *model, unsigned bands) {
    if (model->mel_first == NULL || model->mel_count == NULL || model->mel_weight_q16 == NULL) {
        return false;
    }
    const int16_t *weight = model->mel_weight_q16;
    for (unsigned band = 0; band < bands; band++) {
        const int first = model->mel_first[band], count = model->mel_count[band];
        if (first < 0 || count < 0 || first + count > (int)blsh_bins_of(model) ||
            !weights_known(weight, (unsigned)count)) {
            return false;
        }
        weight += count;
    }
    return true;
}

static bool features_known(const blsh_model_t *model) {
    if (model->features > BLSH_MAX_FEATURES) {
        return false;
    }
    if (blsh_votes(model)) {
        return model->feature_kind == BLSH_FEATURES_MEMORY && model->features == BLSH_MEMORY_FEATURES &&
               model->log_origin >= BLSH_LEAST_LOG_ORIGIN && model->log_origin <= BLSH_MOST_LOG_ORIGIN &&
               bands_known(model, BLSH_TRACKED_BANDS);
    }
    switch (model->feature_kind) {
    case BLSH_FEATURES_STFT:
        return model->features == blsh_bins_of(model);
    case BLSH_FEATURES_MEL:
        return model->features >= 1u && model->features <= BLSH_MAX_MEL_BANDS && bands_known(model, model->features);
    case BLSH_FEATURES_TRACKED:
        return model->features == 2u * BLSH_TRACKED_BANDS && bands_known(model, BLSH_TRACKED_BANDS);
    default:
        return false;
    }
}

/* Gains of 0 to 1, for each sum of levels: the bounds of SPEC.md, 7 hold. */
static bool gains_known(const blsh_model_t *model) {
    const unsigned last = model->neighbours * ((1u << model->mask_level_bits) - 1u);
    for (unsigned votes = 0; votes <= last; votes++) {
        if (model->gain_q14[votes] < 0 || model->gain_q14[votes] > BLSH_GAIN_ONE_Q14) {
            return false;
        }
    }
    return true;
}

/* Bands that may be spread over the bins from the highest on. */
static bool edges_known(const int16_t *edge, unsigned bands, unsigned bins) {
    for (unsigned band = 0; band < bands; band++) {
        if (edge[band] < (int)band || edge[band] >= edge[band + 1u]) {
            return false;
        }
    }
    return edge[0] == 0 && edge[bands] == (int16_t)bins;
}

/* Masks of bins or of bands. */
static bool masks_known(const blsh_model_t *model) {
    const unsigned bands = model->mask_bands, level_bits = model->mask_level_bits, bins = blsh_bins_of(model);
    const unsigned kept = model->smoothing > model->smoothing_down ? model->smoothing : model->smoothing_down;
    const unsigned most = blsh_votes(model) ? BLSH_MAX_RULE_VOTES : 0u;
    if (kept > BLSH_MAX_SMOOTHING || (kept != 0u && bands > BLSH_MAX_SMOOTHED) || model->start_votes > most ||
        model->steady_votes > most) {
        return false;
    }
    if (blsh_votes(model)) {
        return bands != 0u && bands % 16u == 0u && bands <= BLSH_MAX_BANDS && level_bits == BLSH_VOTE_LEVEL_BITS &&
               edges_known(model->band_edge, bands, bins);
    }
    if (model->band_edge == NULL) {
        return bands == bins && level_bits == 1u;
    }
    return bands >= 1u && bands <= bins / 2u && (level_bits == 1u || level_bits == 2u || level_bits == 4u) &&
           edges_known(model->band_edge, bands, bins);
}

/* Thresholds that ascend, so that a projection passes the lowest of them first. */
static bool thresholds_known(const blsh_model_t *model) {
    const int32_t *threshold = model->threshold;
    for (unsigned row = 0; row < model->projections; row++, threshold += model->thresholds) {
        for (unsigned t = 1; t < model->thresholds; t++) {
            if (threshold[t] <= threshold[t - 1u]) {
                return false;
            }
        }
    }
    return true;
}

static bool bits_known(const blsh_model_t *model) {
    const unsigned thresholds = model->thresholds;
    if (model->bits < 1u || model->bits > BLSH_MAX_BITS || model->radius > model->bits ||
        model->projections > BLSH_MAX_PROJECTIONS || thresholds < 1u || thresholds > BLSH_MAX_THRESHOLDS ||
        model->bits != model->projections * thresholds) {
        return false;
    }
    return blsh_votes(model) ? thresholds_known(model) : thresholds == 1u;
}

static bool neighbours_known(const blsh_model_t *model) {
    return model->neighbours >= 1u && model->neighbours <= BLSH_MAX_NEIGHBOURS && model->dictionaries >= 1u &&
           model->dictionaries <= BLSH_MAX_DICTIONARIES &&
           (unsigned)model->dictionaries * model->neighbours <= BLSH_MAX_FOUND;
}

/* Weights of a dictionary: the nearest neighbour has one, and none has more than a nearer one. */
static bool vote_weights_known(const uint8_t *weight) {
    for (unsigned behind = 1; behind < BLSH_VOTE_WEIGHTS; behind++) {
        if (weight[behind] > weight[behind - 1u]) {
            return false;
        }
    }
    return weight[0] != 0u;
}

/* A dictionary for each band, and gains of 0 to 1 that do not fall. */
static bool votes_known(const blsh_model_t *model) {
    const int16_t *const edge = model->group_edge, *const gain = model->response_q14;
    for (unsigned dictionary = 0; dictionary < model->dictionaries; dictionary++) {
        if (edge[dictionary] >= edge[dictionary + 1u] ||
            !vote_weights_known(model->weight + BLSH_VOTE_WEIGHTS * dictionary)) {
            return false;
        }
    }
    for (unsigned step = 1; step < BLSH_RESPONSES; step++) {
        if (gain[step] < gain[step - 1u]) {
            return false;
        }
    }
    return edge[0] == 0 && edge[model->dictionaries] == (int16_t)model->mask_bands && gain[0] >= 0 &&
           gain[BLSH_RESPONSES - 1u] <= BLSH_GAIN_ONE_Q14;
}

static bool tables_given(const blsh_model_t *model) {
    if (model->projection_q7 == NULL || model->planes == NULL || (model->bounds == NULL && !blsh_ranks(model))) {
        return false;
    }
    if (!blsh_votes(model)) {
        return model->bias_q3 != NULL && model->masks != NULL && model->gain_q14 != NULL && model->threshold == NULL;
    }
    return model->bias_q3 == NULL && model->threshold != NULL && model->group_edge != NULL && model->weight != NULL &&
           model->response_q14 != NULL && model->band_edge != NULL;
}

static unsigned kind_of(const blsh_model_t *model) {
    return model->vote == NULL                    ? BLSH_KIND_MASKS
           : model->entries <= BLSH_SMALL_ENTRIES ? BLSH_KIND_SMALL_VOTES
                                                  : BLSH_KIND_LARGE_VOTES;
}

static int check(const blsh_model_t *model) {
    if (model->runtime_format != BLSH_RUNTIME_FORMAT) {
        return BLSH_ERR_FORMAT;
    }
    if ((BLSH_KINDS & kind_of(model)) == 0u) {
        return BLSH_ERR_KIND;
    }
    if (!tables_given(model)) {
        return BLSH_ERR_ARGUMENT;
    }
    if (!geometry_known(model)) {
        return BLSH_ERR_GEOMETRY;
    }
    if (!features_known(model)) {
        return BLSH_ERR_FEATURES;
    }
    if (model->attenuation > BLSH_MOST_ATTENUATION && model->attenuation != BLSH_ATTENUATION_OFF) {
        return BLSH_ERR_ATTENUATION;
    }
    if (!masks_known(model)) {
        return BLSH_ERR_MASKS;
    }
    if (!bits_known(model)) {
        return BLSH_ERR_BITS;
    }
    if (!neighbours_known(model) || (!blsh_votes(model) && model->dictionaries != 1u)) {
        return BLSH_ERR_NEIGHBOURS;
    }
    if (model->entries < model->neighbours || model->entries > BLSH_MAX_ENTRIES / model->dictionaries) {
        return BLSH_ERR_ENTRIES;
    }
    if (blsh_votes(model)) {
        return votes_known(model) ? BLSH_OK : BLSH_ERR_VOTES;
    }
    return gains_known(model) ? BLSH_OK : BLSH_ERR_MASKS;
}

int blsh_init(blsh_state_t *state, const blsh_model_t *model) {
    if (state == NULL || model == NULL) {
        return BLSH_ERR_ARGUMENT;
    }
    const int result = check(model);
    if (result == BLSH_OK) {
        memset(state, 0, sizeof *state);
        state->model = model;
        (void)blsh_set_attenuation(state, model->attenuation);
    }
    return result;
}
