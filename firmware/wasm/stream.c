// SPDX-License-Identifier: Apache-2.0
#include "stream.h"

#include <string.h>

#include "blsh_crc32.h"
#include "models.h"

#define TOP_LEVEL 15u /* of the widest masks */

extern uint8_t __heap_base; /* the first byte behind all variables: the linker sets it */

static blsh_state_t state;
static blsh_model_t model;
static int16_t gains[BLSH_MAX_NEIGHBOURS * TOP_LEVEL + 1u];
static int16_t samples_in[BLSH_MAX_HOP], samples_out[BLSH_MAX_HOP];
static uint32_t code_words[(BLSH_MAX_BITS + 31u) / 32u];
static blsh_neighbour_t neighbours_found[BLSH_MAX_FOUND];
static uint32_t stage_digests[BLSH_STAGE_COUNT], all_stages_crc32;
static int with_digests;

static const blsh_image_header_t *header(void) { return (const blsh_image_header_t *)(const void *)wasm_image(); }

/* Average another number of masks: the gains of all sums of levels are made anew (docs/SPEC.md, 3). */
static void make_gains(void) {
    const uint32_t top = model.neighbours * ((UINT32_C(1) << model.mask_level_bits) - 1u);
    const int16_t least = model.gain_q14[0]; /* that of a sum of 0 is the model's floor */
    for (uint32_t sum = 0; sum <= top; sum++) {
        const int16_t gain = (int16_t)((2u * BLSH_GAIN_ONE_Q14 * sum + top) / (2u * top));
        gains[sum] = gain < least ? least : gain;
    }
    model.gain_q14 = gains;
}

uint8_t *wasm_image(void) { return &__heap_base + (-(uintptr_t)&__heap_base & 3u); }

int wasm_load(uint32_t bytes, unsigned neighbours) {
    int result = blsh_image_check(header(), bytes, &model);
    if (result == BLSH_OK && neighbours > wasm_most_neighbours()) {
        result = BLSH_ERR_NEIGHBOURS;
    }
    if (result == BLSH_OK && neighbours != 0u && neighbours != model.neighbours) {
        model.neighbours = (uint16_t)neighbours;
        if (model.gain_q14 != NULL) {
            make_gains();
        }
    }
    if (result == BLSH_OK) {
        result = wasm_restart();
    }
    if (result == BLSH_OK && blsh_dictionary_crc32(&model) != model.dictionary_crc32) {
        result = BLSH_ERR_DICTIONARY_CRC;
    }
    return result;
}

int wasm_restart(void) {
    all_stages_crc32 = 0;
    return blsh_init(&state, &model);
}

int wasm_set_attenuation(unsigned db) { return blsh_set_attenuation(&state, db); }

void wasm_set_digests(int wanted) { with_digests = wanted; }

static void keep_stage(void *context, blsh_stage_t stage, const void *values, size_t bytes) {
    (void)context;
    if (stage == BLSH_STAGE_CODE) {
        memcpy(code_words, values, bytes);
    } else if (stage == BLSH_STAGE_NEIGHBOURS) {
        memcpy(neighbours_found, values, bytes);
    }
    if (with_digests != 0) {
        stage_digests[stage] = blsh_crc32(0, values, bytes);
        all_stages_crc32 = blsh_crc32(all_stages_crc32, values, bytes);
    }
}

void wasm_hop(void) {
    const blsh_probe_t probe = {.stage_done = keep_stage, .context = NULL};
    blsh_hop(&state, samples_in, samples_out, &probe);
}

int16_t *wasm_input(void) { return samples_in; }
int16_t *wasm_output(void) { return samples_out; }

unsigned wasm_activity(void) { return blsh_activity(&state); }
int wasm_reduction_db(void) { return blsh_reduction_db(&state); }
const uint32_t *wasm_code(void) { return code_words; }
const blsh_neighbour_t *wasm_found(void) { return neighbours_found; }
const uint32_t *wasm_digests(void) { return stage_digests; }
uint32_t wasm_stages_crc32(void) { return all_stages_crc32; }

#define BLSH_WASM_FACT(name)                                                                                           \
    uint32_t wasm_##name(void) { return model.name; }
BLSH_WASM_FACTS(BLSH_WASM_FACT)

uint32_t wasm_hop_samples(void) { return model.hop; }
uint32_t wasm_delay_samples(void) { return blsh_delay_samples(&model); }

uint32_t wasm_most_neighbours(void) {
    const uint32_t of_all = BLSH_MAX_FOUND / model.dictionaries;
    const uint32_t most = of_all < BLSH_MAX_NEIGHBOURS ? of_all : BLSH_MAX_NEIGHBOURS;
    return model.entries < most ? model.entries : most;
}

uint32_t wasm_self_test_crc32(void) { return header()->self_test_crc32; }
const char *wasm_name(void) { return model.name; }
const uint8_t *wasm_model_sha256(void) { return model.model_sha256; }
const char *wasm_error_text(int result) { return blsh_error_text(result); }
