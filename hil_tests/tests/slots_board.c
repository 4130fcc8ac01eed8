// SPDX-License-Identifier: Apache-2.0
/* A board of memory alone, for the sweeps of test_power_cuts.py: two slots of NOR flash whose power can be cut at any
 * write, and the firmware's models.c on top. */
#include <setjmp.h>

#include "models.c" /* as a part of this file, for its self-test */

#include "power_cut.h"

#define SLOT_WORDS   2560u
#define SECTOR_WORDS 256u
#define POWER_CUT    1000

void board_fill(const void *content);
void board_read(void *content);
void board_cut_after(uint32_t steps, uint32_t cut_seed);
uint32_t board_steps(void);
int board_factory_model(const void *image, uint32_t bytes);
int board_power_on(uint8_t sha256[32], uint32_t *self_test_crc);
int board_push(const void *image, uint32_t piece);
int board_try(const void *image, uint32_t piece);
int board_erase(void);
int board_state(uint32_t slot);
int board_flip(uint32_t slot, uint32_t bit);

static uint32_t flash[HAL_SLOTS][SLOT_WORDS];
static uint32_t factory_image[SLOT_WORDS];
static uint32_t steps, cut_at, seed;
static jmp_buf power;
static blsh_model_t factory;
static blsh_state_t state;
static blsh_models_t models;

uint32_t *hal_slot(uint32_t slot) { return flash[slot]; }

uint32_t hal_slot_bytes(void) { return sizeof flash[0]; }

uint32_t hal_sector_bytes(void) { return SECTOR_WORDS * sizeof flash[0][0]; }

void hal_sector_erase(uint32_t *sector) {
    if (++steps == cut_at) {
        cut_erase(sector, SECTOR_WORDS, &seed);
        longjmp(power, 1);
    }
    memset(sector, 0xff, SECTOR_WORDS * sizeof *sector);
}

void hal_word_program(uint32_t *at, uint32_t word) {
    if (++steps == cut_at) {
        cut_program(at, word, &seed);
        longjmp(power, 1);
    }
    *at &= word;
}

/* The content of both slots, as it may be on a new part or after other firmware. */
void board_fill(const void *content) { memcpy(flash, content, sizeof flash); }

void board_read(void *content) { memcpy(content, flash, sizeof flash); }

/* 0: never. Counts from here on. */
void board_cut_after(uint32_t after, uint32_t cut_seed) {
    steps = 0;
    cut_at = after;
    seed = cut_seed;
}

uint32_t board_steps(void) { return steps; }

/* The model that is compiled in. */
int board_factory_model(const void *image, uint32_t bytes) {
    memcpy(factory_image, image, bytes);
    return blsh_image_check((const blsh_image_header_t *)(const void *)factory_image, sizeof factory_image, &factory);
}

/* Start, and say which model runs (its SHA-256 and what its self-test gives) and from which slot. */
int board_power_on(uint8_t sha256[32], uint32_t *self_test_crc) {
    int16_t scratch[BLSH_MAX_HOP];
    memset(&models, 0x55, sizeof models); /* RAM holds anything */
    memset(&state, 0xaa, sizeof state);
    blsh_models_start(&models, &factory, &state);
    memcpy(sha256, models.model.model_sha256, 32);
    const int result = blsh_init(&state, &models.model);
    *self_test_crc = result == BLSH_OK ? self_test(&state, scratch) : 0u;
    return result == BLSH_OK ? models.running : result;
}

static int send(const void *image, uint32_t piece) {
    blsh_image_header_t header;
    uint32_t offset;
    memcpy(&header, image, sizeof header);
    int result = blsh_models_begin(&models, &header, &offset);
    for (; result == BLSH_OK && offset < header.bytes; offset += piece) {
        uint8_t data[256];
        const uint32_t left = header.bytes - offset < piece ? header.bytes - offset : piece;
        memset(data, 0, sizeof data); /* beyond the image's end: must not be written */
        memcpy(data, (const uint8_t *)image + offset, left);
        result = blsh_models_write(&models, offset, data, piece / 4u);
    }
    return result;
}

/* Send an image in pieces of up to 256 bytes and try it; POWER_CUT when that is what happened. */
int board_try(const void *image, uint32_t piece) {
    int16_t scratch[BLSH_MAX_HOP];
    if (setjmp(power) != 0) {
        return POWER_CUT;
    }
    const int result = send(image, piece);
    return result == BLSH_OK ? blsh_models_try(&models, scratch) : result;
}

/* ... and keep it. */
int board_push(const void *image, uint32_t piece) {
    const int result = board_try(image, piece);
    if (result != BLSH_OK || setjmp(power) != 0) {
        return result != BLSH_OK ? result : POWER_CUT;
    }
    return blsh_models_prove(&models, (const uint8_t *)image + offsetof(blsh_image_header_t, sha256));
}

int board_erase(void) { return setjmp(power) != 0 ? POWER_CUT : blsh_models_factory(&models); }

int board_state(uint32_t slot) { return blsh_models_state(&models, slot); }

/* Turn one bit of a slot over. Returns its new value. */
int board_flip(uint32_t slot, uint32_t bit) {
    flash[slot][bit / 32u] ^= UINT32_C(1) << bit % 32u;
    return (int)(flash[slot][bit / 32u] >> bit % 32u & 1u);
}
