// SPDX-License-Identifier: Apache-2.0
/* Models without reflashing: two slots in flash beside the model that is compiled in (docs/SPEC.md, 11).
 *
 *     static blsh_models_t models;
 *     blsh_models_start(&models, &blsh_model, &state);        // at boot: the newest proven model, or the compiled one
 *     blsh_models_begin(&models, &header, &offset);           // a transfer begins, or goes on at `offset`
 *     blsh_models_write(&models, offset, words, 64);          // ... until the image is whole
 *     blsh_models_try(&models, scratch);                      // checked, tested; now models.model, until a reset
 *     blsh_models_prove(&models, header.sha256);              // ... and from now on also after one
 *
 * The slot of the model that the board would start with is never written, and the other one counts only once its last
 * word says "proven": whatever a loss of power interrupts, the old model or the new one runs. A firmware with another
 * compiled model forgets what was pushed to the one before it.
 * After begin, try and factory the stream has ended: call blsh_init with models.model again.
 * Compiled in where BLSH_SLOTS is defined: by `blsh generate --slots`, and on the host.
 */
#ifndef BLSH_MODELS_H
#define BLSH_MODELS_H

#include "blsh.h"
#include "sha256.h"

#define BLSH_IMAGE_MAGIC  0x4d534c42u /* "BLSM" */
#define BLSH_IMAGE_FORMAT 3u
#define BLSH_NO_SLOT      0xffu

#define BLSH_IMAGE_BIT_VOTES 1u /* the model has votes of bits */

/* A model image begins with this; its tables follow in the order of blsh_model_t, each from a multiple of 4 on. */
typedef struct {
    uint32_t magic;
    uint8_t sha256[BLSH_SHA256_BYTES]; /* SHA-256 of the `bytes` - 36 bytes that follow */
    uint32_t bytes;                    /* bytes of the image */
    uint16_t image_format;
    uint16_t runtime_format;
    uint8_t model_sha256[32];
    uint32_t dictionary_crc32;
    uint32_t self_test_crc32; /* CRC-32 of all stages of the hops of the self-test */
    uint32_t entries;
    uint8_t feature_kind;
    uint8_t flags; /* BLSH_IMAGE_BIT_VOTES */
    uint16_t features;
    uint16_t bits;
    uint8_t neighbours;
    uint8_t dictionaries;
    uint16_t radius;
    uint16_t mask_bands;
    uint8_t mask_level_bits; /* BLSH_VOTE_LEVEL_BITS of a voting model */
    uint8_t thresholds;
    uint8_t smoothing;
    uint8_t smoothing_down;
    uint16_t start_votes;
    uint16_t steady_votes;
    uint16_t rate_hz;
    uint16_t window;
    uint16_t hop;
    uint16_t synthesis;
    uint16_t log_origin;
    uint16_t attenuation;
    char name[32]; /* ends with a zero */
} blsh_image_header_t;

/* A slot: this record, then the image. Its words are programmed once each, in this order, `proven` last of all. */
typedef struct {
    uint32_t sequence; /* the newest proven slot is the one that the board starts with */
    uint32_t check;    /* ~sequence ^ the CRC-32 of the compiled model's SHA-256: what was pushed goes with that one */
    uint32_t proven;   /* 0 once the model is proven */
} blsh_slot_record_t;

/* Results: 0; a negative BLSH_ERR_... of the core; or why an image is no good: BLSH_IMAGE_... of the protocol. */

typedef struct {
    const blsh_model_t *factory; /* compiled in */
    blsh_state_t *state;
    blsh_model_t model; /* the one that runs */
    uint32_t key;       /* CRC-32 of the compiled model's SHA-256 */
    uint8_t running;    /* its slot, or BLSH_NO_SLOT: the factory's */
    uint8_t kept;       /* the slot that the board would start with, or BLSH_NO_SLOT */
} blsh_models_t;

BLSH_RARE void blsh_models_start(blsh_models_t *models, const blsh_model_t *factory, blsh_state_t *state);

/* Prepare the free slot for the image of `header`. `offset`: where blsh_models_write is to go on; all before it is
 * there already when the same image was interrupted. */
BLSH_RARE int blsh_models_begin(blsh_models_t *models, const blsh_image_header_t *header, uint32_t *offset);

/* Program `count` words, the image's from byte `offset` on; what lies beyond the image is left out. May be repeated. */
BLSH_RARE int blsh_models_write(blsh_models_t *models, uint32_t offset, const void *words, uint32_t count);

/* Check the image in the free slot and run the self-test with it. A bad one is erased, and the kept model runs. */
BLSH_RARE int blsh_models_try(blsh_models_t *models, int16_t scratch[BLSH_MAX_HOP]);

/* Keep the model that is on trial, if it is the image of this SHA-256: after a reset it is on trial no more. */
BLSH_RARE int blsh_models_prove(blsh_models_t *models, const uint8_t sha256[BLSH_SHA256_BYTES]);

/* Erase the slots and run the compiled model. */
BLSH_RARE int blsh_models_factory(blsh_models_t *models);

/* BLSH_SLOT_... of the protocol. Of a proven slot, all of its image is read. */
BLSH_RARE uint8_t blsh_models_state(const blsh_models_t *models, uint32_t slot);

/* The sequence number of a slot that is not empty. */
BLSH_RARE uint32_t blsh_models_sequence(uint32_t slot);

/* The image in a slot, whatever it holds. */
BLSH_RARE const blsh_image_header_t *blsh_models_image(uint32_t slot);

/* Bytes that an image may have. */
BLSH_RARE uint32_t blsh_models_room(void);

/* Check an image within `room` bytes, on a multiple of 4, and point `model` into it. Never reads beyond. */
BLSH_RARE int blsh_image_check(const blsh_image_header_t *image, uint32_t room, blsh_model_t *model);

#endif
