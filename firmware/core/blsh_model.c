#include <string.h>

#include "blsh.h"
#include "blsh_crc32.h"
#include "blsh_stages.h"

/* Digests are over memory, and SPEC.md states them over little-endian words. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the core is for little-endian machines");

const char *blsh_error_text(int result) {
    switch (result) {
#define BLSH_CASE(name, value, text) \
    case name: \
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

uint32_t blsh_dictionary_crc32(const blsh_model_t *model) {
    const size_t words = (model->bits + 31u) / 32u;
    const uint32_t crc = blsh_crc32(0, model->codes, model->entries * words * sizeof(uint32_t));
    return blsh_crc32(crc, model->masks, (size_t)model->entries * blsh_mask_words(model) * sizeof(uint32_t));
}

static bool features_known(const blsh_model_t *model) {
    if (model->feature_kind == BLSH_FEATURES_STFT) {
        return model->features == BLSH_BINS;
    }
    if (model->mel_first == NULL || model->mel_count == NULL || model->mel_weight_q16 == NULL) {
        return false;
    }
    if (model->feature_kind == BLSH_FEATURES_TRACKED) {
        return model->features == 2u * BLSH_TRACKED_BANDS;
    }
    return model->feature_kind == BLSH_FEATURES_MEL && model->features >= 1u && model->features <= BLSH_MAX_BANDS;
}

static bool masks_known(const blsh_model_t *model) {
    const bool bands = model->mask_kind == BLSH_MASKS_BANDS && model->band_edge != NULL &&
                       model->band_edge[BLSH_MASK_BANDS] == (int16_t)BLSH_BINS;
    return (model->mask_kind == BLSH_MASKS_IBM || bands) && model->smoothing < 16u;
}

static int check(const blsh_model_t *model) {
    if (model->runtime_format != BLSH_RUNTIME_FORMAT) {
        return BLSH_ERR_FORMAT;
    }
    if (model->projection_q15 == NULL || model->bias_q15 == NULL || model->codes == NULL || model->masks == NULL ||
        model->gain_q14 == NULL) {
        return BLSH_ERR_ARGUMENT;
    }
    if (!features_known(model)) {
        return BLSH_ERR_FEATURES;
    }
    if (!masks_known(model)) {
        return BLSH_ERR_MASKS;
    }
    if (model->bits < 1u || model->bits > BLSH_MAX_BITS) {
        return BLSH_ERR_BITS;
    }
    if (model->neighbours < 1u || model->neighbours > BLSH_MAX_NEIGHBOURS) {
        return BLSH_ERR_NEIGHBOURS;
    }
    return model->entries < model->neighbours ? BLSH_ERR_ENTRIES : BLSH_OK;
}

int blsh_init(blsh_state_t *state, const blsh_model_t *model) {
    if (state == NULL || model == NULL) {
        return BLSH_ERR_ARGUMENT;
    }
    const int result = check(model);
    if (result == BLSH_OK) {
        memset(state, 0, sizeof *state);
        state->model = model;
    }
    return result;
}
