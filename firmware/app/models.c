// SPDX-License-Identifier: Apache-2.0
#include "models.h"

#ifdef BLSH_SLOTS

#include <stdbool.h>
#include <string.h>

#include "blsh_crc32.h"
#include "blsh_fixed.h"
#include "blsh_protocol.h"
#include "hal_storage.h"

#define ERASED         UINT32_MAX
#define PROVEN         0u
#define SELF_TEST_HOPS 6u

_Static_assert(sizeof(blsh_image_header_t) == BLSH_MSG_PUSH_BEGIN_BYTES, "a push begins with the image's header");
_Static_assert(HAL_SLOTS == 2u, "the slot that is not kept is the free one");

/* ---- images ----------------------------------------------------------------------------------------------------- */

static unsigned kind_of(const blsh_image_header_t *header) {
    return header->mask_level_bits != BLSH_VOTE_LEVEL_BITS ? BLSH_KIND_MASKS
           : header->entries <= BLSH_SMALL_ENTRIES         ? BLSH_KIND_SMALL_VOTES
                                                           : BLSH_KIND_LARGE_VOTES;
}

/* Whether it is a voting model; always false where the core is not compiled for them. */
static bool votes(const blsh_image_header_t *header) { return (BLSH_KINDS & kind_of(header) & ~BLSH_KIND_MASKS) != 0u; }

/* Whether it is one without bounds. */
static bool is_small(const blsh_image_header_t *header) {
    return (BLSH_KINDS & BLSH_KIND_SMALL_VOTES) != 0u && kind_of(header) == BLSH_KIND_SMALL_VOTES;
}

static uint32_t bins_of(const blsh_image_header_t *header) { return header->window / 2u + 1u; }

/* Frames that the state has room for. Whether their numbers go together is the core's to say. */
static bool frames_fit(const blsh_image_header_t *header) {
    const unsigned window = header->window, hop = header->hop, synthesis = header->synthesis;
    return (window & (window - 1u)) == 0u && (window & 256u * BLSH_WINDOWS) != 0u && hop <= synthesis &&
           synthesis <= window && window - hop <= BLSH_MAX_HISTORY && synthesis - hop <= BLSH_MAX_OVERLAP;
}

/* Masks, or votes, that the state has room for. */
static bool masks_fit(const blsh_image_header_t *header) {
    const unsigned kept = header->smoothing > header->smoothing_down ? header->smoothing : header->smoothing_down;
    const unsigned most = votes(header) ? BLSH_MAX_RULE_VOTES : 0u;
    return header->mask_bands <= bins_of(header) && (header->mask_level_bits <= 4u || votes(header)) &&
           (header->flags == 0u || (votes(header) && header->flags == BLSH_IMAGE_BIT_VOTES)) &&
           kept <= BLSH_MAX_SMOOTHING && (kept == 0u || header->mask_bands <= BLSH_MAX_SMOOTHED) &&
           header->start_votes <= most && header->steady_votes <= most;
}

/* Rows of the projection; a model with masks is not divided for, so that the code for divisions can be left out. */
static uint32_t projections_of(const blsh_image_header_t *header) {
    return votes(header) ? (uint32_t)header->bits / header->thresholds : header->bits;
}

/* Codes that the state has room for, with as many bits for each projection. */
static bool bits_fit(const blsh_image_header_t *header) {
    if (header->bits > BLSH_MAX_BITS || header->radius > header->bits || header->thresholds < 1u) {
        return false;
    }
    const uint32_t projections = projections_of(header);
    return projections * header->thresholds == header->bits && projections <= BLSH_MAX_PROJECTIONS;
}

/* The most features of its kind. */
static unsigned most_features(const blsh_image_header_t *header) {
    return header->feature_kind == BLSH_FEATURES_STFT     ? bins_of(header)
           : header->feature_kind == BLSH_FEATURES_MEMORY ? BLSH_MEMORY_FEATURES
                                                          : BLSH_MAX_MEL_BANDS; /* as many as are tracked */
}

/* What can be said of an image before it has come; afterwards its dimensions can be calculated with. */
static int check_header(const blsh_image_header_t *header, uint32_t room) {
    if (header->magic != BLSH_IMAGE_MAGIC) {
        return BLSH_IMAGE_MAGIC_WRONG;
    }
    if (header->image_format != BLSH_IMAGE_FORMAT) {
        return BLSH_IMAGE_FORMAT_UNKNOWN;
    }
    if (header->runtime_format != BLSH_RUNTIME_FORMAT) {
        return BLSH_ERR_FORMAT;
    }
    if ((BLSH_KINDS & kind_of(header)) == 0u) {
        return BLSH_ERR_KIND;
    }
    if (header->bytes > room || header->bytes < sizeof *header || header->bytes % 4u != 0u) {
        return BLSH_IMAGE_SIZE;
    }
    if (!frames_fit(header)) {
        return BLSH_ERR_GEOMETRY;
    }
    if (header->features > most_features(header)) {
        return BLSH_ERR_FEATURES;
    }
    if (!bits_fit(header)) {
        return BLSH_ERR_BITS;
    }
    if (header->neighbours > BLSH_MAX_NEIGHBOURS || header->dictionaries < 1u ||
        header->dictionaries > BLSH_MAX_DICTIONARIES ||
        (unsigned)header->dictionaries * header->neighbours > BLSH_MAX_FOUND) {
        return BLSH_ERR_NEIGHBOURS;
    }
    if (header->entries < 1u || header->entries > BLSH_MAX_ENTRIES ||
        header->entries * header->dictionaries > BLSH_MAX_ENTRIES) {
        return BLSH_ERR_ENTRIES;
    }
    if (!masks_fit(header)) {
        return BLSH_ERR_MASKS;
    }
    return header->name[sizeof header->name - 1u] == '\0' ? BLSH_OK : BLSH_IMAGE_SHAPE;
}

/* The tables of an image, one after the other. */
typedef struct {
    const uint8_t *image;
    uint32_t bytes; /* bytes of the image */
    uint32_t at;
} tables_t;

/* The next table; NULL, from then on too, if it does not end within the image. All lengths are below 2^29. */
static const void *next_table(tables_t *tables, uint32_t bytes) {
    const uint32_t at = tables->at;
    bytes = (bytes + 3u) & ~3u;
    if (at > tables->bytes || bytes > tables->bytes - at) {
        tables->at = tables->bytes + 1u;
        return NULL;
    }
    tables->at = at + bytes;
    return tables->image + at;
}

static void find_mel(tables_t *tables, uint32_t bands, blsh_model_t *model) {
    model->mel_first = next_table(tables, 2u * bands);
    model->mel_count = next_table(tables, 2u * bands);
    uint32_t weights = 0;
    for (uint32_t band = 0; model->mel_count != NULL && band < bands; band++) {
        weights += (uint16_t)model->mel_count[band];
    }
    model->mel_weight_q16 = next_table(tables, 2u * weights);
}

static void find_masks(tables_t *tables, const blsh_image_header_t *image, blsh_model_t *model) {
    const uint32_t mask_words = BLSH_MASK_WORDS((uint32_t)image->mask_bands, image->mask_level_bits);
    const uint32_t top = (UINT32_C(1) << image->mask_level_bits) - 1u;
    model->masks = next_table(tables, 4u * image->entries * mask_words);
    model->gain_q14 = next_table(tables, 2u * (image->neighbours * top + 1u));
}

static void find_votes(tables_t *tables, const blsh_image_header_t *image, blsh_model_t *model) {
    const uint32_t projections = model->projections, thresholds = image->thresholds;
    model->threshold = next_table(tables, 4u * projections * thresholds);
    model->group_edge = next_table(tables, 2u * (image->dictionaries + 1u));
    model->vote = next_table(tables, image->entries * image->mask_bands);
    model->weight = next_table(tables, BLSH_VOTE_WEIGHTS * image->dictionaries);
    if ((image->flags & BLSH_IMAGE_BIT_VOTES) != 0u) {
        model->bit_vote = next_table(tables, projections * (thresholds + 1u) * image->mask_bands);
    }
    model->response_q14 = next_table(tables, 2u * BLSH_RESPONSES);
}

/* Points `model` to the tables of an image whose header was checked; false unless they fill it exactly. */
static bool find_tables(const blsh_image_header_t *image, blsh_model_t *model) {
    tables_t tables = {.image = (const uint8_t *)image, .bytes = image->bytes, .at = sizeof *image};
    const uint32_t blocks = (image->entries + 31u) / 32u, groups = (blocks + 31u) / 32u;
    const uint32_t planes = BLSH_PLANES((uint32_t)image->bits), dictionaries = image->dictionaries;
    const uint32_t bound_rows = (uint32_t)blsh_bit_length(image->radius) + planes;
    model->projection_q7 =
        next_table(&tables, BLSH_PROJECTION((uint32_t)model->projections, (uint32_t)image->features));
    model->window_q14 = next_table(&tables, 2u * image->window);
    model->synthesis_q14 =
        image->synthesis == image->window ? model->window_q14 : next_table(&tables, 2u * image->synthesis);
    if (!votes(image)) {
        model->bias_q3 = next_table(&tables, 2u * image->bits);
    }
    model->planes = next_table(&tables, 4u * dictionaries * blocks * planes);
    if (!is_small(image)) {
        model->bounds = next_table(&tables, 4u * dictionaries * groups * bound_rows);
    }
    if (!votes(image)) {
        find_masks(&tables, image, model);
    }
    if (image->mask_bands != bins_of(image)) {
        model->band_edge = next_table(&tables, 2u * (image->mask_bands + 1u));
    }
    if (image->feature_kind != BLSH_FEATURES_STFT) {
        find_mel(&tables, image->feature_kind == BLSH_FEATURES_MEL ? image->features : BLSH_TRACKED_BANDS, model);
    }
    if (votes(image)) {
        find_votes(&tables, image, model);
    }
    return tables.at == image->bytes;
}

static bool digest_holds(const blsh_image_header_t *image) {
    const uint8_t *rest = (const uint8_t *)&image->bytes;
    uint8_t digest[BLSH_SHA256_BYTES];
    blsh_sha256(rest, image->bytes - offsetof(blsh_image_header_t, bytes), digest);
    return memcmp(digest, image->sha256, sizeof digest) == 0;
}

int blsh_image_check(const blsh_image_header_t *image, uint32_t room, blsh_model_t *model) {
    const int result = room < sizeof *image ? (int)BLSH_IMAGE_SIZE : check_header(image, room);
    if (result != BLSH_OK) {
        return result;
    }
    if (!digest_holds(image)) {
        return BLSH_IMAGE_DIGEST;
    }
    *model = (blsh_model_t){
        .runtime_format = image->runtime_format,
        .name = image->name,
        .dictionary_crc32 = image->dictionary_crc32,
        .feature_kind = image->feature_kind,
        .features = image->features,
        .bits = image->bits,
        .neighbours = image->neighbours,
        .entries = image->entries,
        .radius = image->radius,
        .mask_bands = image->mask_bands,
        .mask_level_bits = image->mask_level_bits,
        .smoothing = image->smoothing,
        .smoothing_down = image->smoothing_down,
        .projections = (uint16_t)projections_of(image),
        .thresholds = image->thresholds,
        .dictionaries = image->dictionaries,
        .start_votes = image->start_votes,
        .steady_votes = image->steady_votes,
        .rate_hz = image->rate_hz,
        .window = image->window,
        .hop = image->hop,
        .synthesis = image->synthesis,
        .log_origin = image->log_origin,
        .attenuation = image->attenuation,
    };
    memcpy(model->model_sha256, image->model_sha256, sizeof model->model_sha256);
    return find_tables(image, model) ? BLSH_OK : (int)BLSH_IMAGE_SHAPE;
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

static blsh_slot_record_t *record_of(uint32_t slot) { return (blsh_slot_record_t *)hal_slot(slot); }

const blsh_image_header_t *blsh_models_image(uint32_t slot) {
    return (const blsh_image_header_t *)(record_of(slot) + 1);
}

uint32_t blsh_models_sequence(uint32_t slot) { return record_of(slot)->sequence; }

uint32_t blsh_models_room(void) {
    const uint32_t bytes = hal_slot_bytes();
    return bytes < sizeof(blsh_slot_record_t) ? 0u : bytes - (uint32_t)sizeof(blsh_slot_record_t);
}

static uint32_t check_of(const blsh_models_t *models, uint32_t sequence) { return ~sequence ^ models->key; }

/* A transfer to this slot was begun, or is done. */
static bool begun(const blsh_models_t *models, uint32_t slot) {
    return record_of(slot)->check == check_of(models, record_of(slot)->sequence);
}

static bool proven(const blsh_models_t *models, uint32_t slot) {
    return begun(models, slot) && record_of(slot)->proven == PROVEN;
}

static uint32_t free_slot(const blsh_models_t *models) { return models->kept == 0u ? 1u : 0u; }

static int program(uint32_t *at, uint32_t word) {
    if (*at != word) {
        hal_word_program(at, word);
    }
    return *at == word ? BLSH_OK : (int)BLSH_IMAGE_FLASH;
}

static int program_all(uint32_t *at, const void *words, uint32_t count) {
    int result = BLSH_OK;
    for (uint32_t i = 0; i < count && result == BLSH_OK; i++) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)words + 4u * i, sizeof word);
        result = program(at + i, word);
    }
    return result;
}

/* The first sector, which holds the record, goes first: from then on the slot holds nothing. */
static void erase(uint32_t slot, uint32_t bytes) {
    for (uint32_t at = 0; at < bytes; at += hal_sector_bytes()) {
        hal_sector_erase(hal_slot(slot) + at / 4u);
    }
}

static int load(blsh_models_t *models, uint32_t slot) {
    int result = blsh_image_check(blsh_models_image(slot), blsh_models_room(), &models->model);
    if (result == BLSH_OK) {
        result = blsh_init(models->state, &models->model);
    }
    if (result == BLSH_OK && blsh_dictionary_crc32(&models->model) != models->model.dictionary_crc32) {
        result = BLSH_ERR_DICTIONARY_CRC;
    }
    models->running = result == BLSH_OK ? (uint8_t)slot : BLSH_NO_SLOT;
    return result;
}

/* The newest proven model whose image is whole, or the compiled one. */
void blsh_models_start(blsh_models_t *models, const blsh_model_t *factory, blsh_state_t *state) {
    models->factory = factory;
    models->state = state;
    models->key = blsh_crc32(0, factory->model_sha256, sizeof factory->model_sha256);
    models->running = BLSH_NO_SLOT;
    if (hal_slot_bytes() != 0u) {
        const bool later = record_of(1)->sequence > record_of(0)->sequence;
        const uint32_t newest = proven(models, 1) && (later || !proven(models, 0)) ? 1u : 0u;
        if (proven(models, newest) && load(models, newest) != BLSH_OK && proven(models, 1u - newest)) {
            (void)load(models, 1u - newest);
        }
    }
    models->kept = models->running;
    if (models->running == BLSH_NO_SLOT) {
        models->model = *factory;
    }
}

/* Run the model that a reset would bring. */
static void fall_back(blsh_models_t *models) { blsh_models_start(models, models->factory, models->state); }

int blsh_models_begin(blsh_models_t *models, const blsh_image_header_t *header, uint32_t *offset) {
    int result = check_header(header, blsh_models_room());
    if (result != BLSH_OK) {
        return result;
    }
    if (models->running != models->kept) {
        fall_back(models); /* a model on trial lies where this one is to go */
    }
    const uint32_t slot = free_slot(models);
    const uint32_t sequence = models->kept == BLSH_NO_SLOT ? 1u : record_of(models->kept)->sequence + 1u;
    const blsh_slot_record_t wanted = {.sequence = sequence, .check = check_of(models, sequence), .proven = ERASED};
    const uint32_t *words = (const uint32_t *)(const void *)blsh_models_image(slot);
    if (memcmp(record_of(slot), &wanted, sizeof wanted) != 0 || memcmp(words, header, sizeof *header) != 0) {
        erase(slot, hal_slot_bytes());
        result = program_all(hal_slot(slot), &wanted, 2);
        if (result == BLSH_OK) {
            result = program_all((uint32_t *)(record_of(slot) + 1), header, sizeof *header / 4u);
        }
    }
    /* Words were programmed in order, the last of them perhaps in part: that one again. */
    uint32_t end = header->bytes / 4u;
    while (end > sizeof *header / 4u && words[end - 1u] == ERASED) {
        end--;
    }
    *offset = end > sizeof *header / 4u ? 4u * (end - 1u) : (uint32_t)sizeof *header;
    return result;
}

int blsh_models_write(blsh_models_t *models, uint32_t offset, const void *words, uint32_t count) {
    const uint32_t slot = free_slot(models);
    const blsh_image_header_t *image = blsh_models_image(slot);
    if (hal_slot_bytes() == 0u || models->running == slot || !begun(models, slot) ||
        record_of(slot)->proven != ERASED) {
        return BLSH_IMAGE_NOT_BEGUN;
    }
    if (check_header(image, blsh_models_room()) != BLSH_OK || offset % 4u != 0u || offset < sizeof *image ||
        offset >= image->bytes) {
        return BLSH_IMAGE_SIZE;
    }
    const uint32_t left = (image->bytes - offset) / 4u;
    return program_all((uint32_t *)(record_of(slot) + 1) + offset / 4u, words, count < left ? count : left);
}

static void add_stage(void *context, blsh_stage_t stage, const void *values, size_t bytes) {
    uint32_t *crc = context;
    (void)stage;
    *crc = blsh_crc32(*crc, values, bytes);
}

/* Loud noise, always the same: each hop is another one, and all stages count. */
static uint32_t self_test(blsh_state_t *state, int16_t *scratch) {
    uint32_t crc = 0, noise = 0;
    const blsh_probe_t probe = {.stage_done = add_stage, .context = &crc};
    for (unsigned hop = 0; hop < SELF_TEST_HOPS; hop++) {
        for (unsigned i = 0; i < state->model->hop; i++) {
            noise = noise * 1664525u + 1013904223u;
            scratch[i] = (int16_t)(uint16_t)(noise >> 16);
        }
        blsh_hop(state, scratch, scratch, &probe);
    }
    return crc;
}

int blsh_models_try(blsh_models_t *models, int16_t scratch[BLSH_MAX_HOP]) {
    const uint32_t slot = free_slot(models);
    if (hal_slot_bytes() == 0u || !begun(models, slot) || record_of(slot)->proven != ERASED) {
        return BLSH_IMAGE_NOT_BEGUN;
    }
    int result = load(models, slot);
    if (result == BLSH_OK && self_test(models->state, scratch) != blsh_models_image(slot)->self_test_crc32) {
        result = BLSH_IMAGE_SELF_TEST;
    }
    if (result != BLSH_OK) {
        erase(slot, hal_sector_bytes());
        fall_back(models);
    }
    return result;
}

int blsh_models_prove(blsh_models_t *models, const uint8_t sha256[BLSH_SHA256_BYTES]) {
    if (models->running == BLSH_NO_SLOT ||
        memcmp(blsh_models_image(models->running)->sha256, sha256, BLSH_SHA256_BYTES) != 0) {
        return BLSH_IMAGE_NOT_BEGUN;
    }
    const int result = program(&record_of(models->running)->proven, PROVEN);
    if (result == BLSH_OK) {
        models->kept = models->running;
    }
    return result;
}

/* The free slot first: were the kept one gone before it, a cut would leave an older model to start with. */
int blsh_models_factory(blsh_models_t *models) {
    const uint32_t first = free_slot(models);
    for (uint32_t i = 0; hal_slot_bytes() != 0u && i < HAL_SLOTS; i++) {
        const uint32_t slot = i == 0u ? first : 1u - first;
        erase(slot, hal_sector_bytes());
        if (proven(models, slot)) {
            return BLSH_IMAGE_FLASH;
        }
    }
    fall_back(models);
    return BLSH_OK;
}

uint8_t blsh_models_state(const blsh_models_t *models, uint32_t slot) {
    blsh_model_t found;
    if (hal_slot_bytes() == 0u || !begun(models, slot)) {
        return BLSH_SLOT_EMPTY;
    }
    if (record_of(slot)->proven == ERASED) {
        return BLSH_SLOT_UNPROVEN;
    }
    const bool sound =
        proven(models, slot) && blsh_image_check(blsh_models_image(slot), blsh_models_room(), &found) == BLSH_OK;
    return sound ? BLSH_SLOT_PROVEN : BLSH_SLOT_DAMAGED;
}

#endif
