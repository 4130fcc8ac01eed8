// SPDX-License-Identifier: Apache-2.0
/* The decoder and the server under libFuzzer, with a small model and the sanitizers: python -m blsh_hil.prove.fuzzing.
 *
 * An input is a row of records, each `type`, `length` (16 bits) and what is left of the input up to that length:
 *   type 0xff: so many bytes as they are, so that anything can stand on the line;
 *   type 0xfe: a model image, sealed with the SHA-256 of its content whatever that is, pushed and tried;
 *   type 0xfd: what was pushed last is proven, so that the next start takes it;
 *   type 0xfc: the board starts again, its slots as they are;
 *   else:      a frame of that type with a good CRC, its payload filled up with zeros: what a host could send.
 *
 * Whatever came, every byte that the board sends must belong to a good frame, and the next HELLO must be answered.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "blsh_model.h"
#include "count_loop.h"
#include "hal.h"
#include "hal_storage.h"
#include "server.h"

#define RAW          0xffu
#define IMAGE        0xfeu
#define PROVE        0xfdu
#define START        0xfcu
#define LONGEST      0x1000u /* bytes of a record: longer than any request, and an image of a small model */
#define SLOT_WORDS   0x800u
#define SECTOR_WORDS 0x100u
#define NONCE        0x1234567u
#define MOST_HOPS    4u /* hops of an input: they take the time, and the server looks back two */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static blsh_state_t state;
static blsh_models_t models;
static uint32_t slots[HAL_SLOTS][SLOT_WORDS];
static blsh_server_t server;
static blsh_decoder_t heard; /* the bytes that the board sends */
static uint8_t heard_bytes[BLSH_FRAME_OVERHEAD + BLSH_MAX_PAYLOAD];
static uint32_t answered_nonce;
static uint32_t hops; /* hops of this input */
static jmp_buf reset;

/* ---- the host: hears ------------------------------------------------------------------------------------------ */

static void hear(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    for (size_t i = 0; i < count; i++) {
        blsh_frame_t frame;
        const int result = blsh_decoder_feed(&heard, bytes[i], &frame);
        if (result < 0 || (result == BLSH_FRAME_READY && frame.type < BLSH_FIRST_REPLY)) {
            abort();
        }
        if (result == BLSH_FRAME_READY && frame.type == BLSH_MSG_HELLO_REPLY) {
            memcpy(&answered_nonce, frame.payload, sizeof answered_nonce);
        }
    }
}

static const blsh_server_config_t config = {.write = hear,
                                            .model = &models.model,
                                            .models = &models,
                                            .state = &state,
                                            .build_id = 1u};

/* ---- the host: says ------------------------------------------------------------------------------------------- */

static void say(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    blsh_server_receive(&server, bytes, count);
}

static void send_frame(uint8_t type, const uint8_t *payload, uint16_t length) {
    static blsh_encoder_t encoder;
    encoder.write = say;
    blsh_frame_send(&encoder, type, 7u, payload, length);
}

static uint8_t pushed[BLSH_SHA256_BYTES]; /* SHA-256 of the last image */

/* The longest image that `data` can be: its magic, length and SHA-256 are made to fit. */
static void push_image(const uint8_t *data, size_t size) {
    static uint8_t image[LONGEST + BLSH_MSG_PUSH_DATA_BYTES];
    static blsh_msg_push_data_t piece;
    blsh_image_header_t head;
    memset(image, 0, sizeof image);
    memcpy(image, data, size);
    memcpy(&head, image, sizeof head);
    head.magic = BLSH_IMAGE_MAGIC;
    head.bytes = ((uint32_t)(size < sizeof head ? sizeof head : size) + 3u) & ~3u;
    memcpy(image, &head, sizeof head);
    blsh_sha256(image + offsetof(blsh_image_header_t, bytes), head.bytes - offsetof(blsh_image_header_t, bytes),
                head.sha256);
    memcpy(image, &head, sizeof head);
    memcpy(pushed, head.sha256, sizeof pushed);
    send_frame(BLSH_MSG_PUSH_BEGIN, image, sizeof head);
    for (piece.offset = sizeof head; piece.offset < head.bytes; piece.offset += sizeof piece.data) {
        memcpy(piece.data, image + piece.offset, sizeof piece.data);
        send_frame(BLSH_MSG_PUSH_DATA, (const uint8_t *)&piece, sizeof piece);
    }
    send_frame(BLSH_MSG_MODEL_TRY, NULL, 0);
}

static void start(void) {
    memset(&state, 0xa5, sizeof state); /* as after power-on: anything */
    blsh_decoder_init(&heard, heard_bytes, sizeof heard_bytes);
    blsh_models_start(&models, &blsh_model, &state);
    blsh_server_init(&server, &config);
}

/* Returns the bytes of `data` that it took. */
static size_t play_record(const uint8_t *data, size_t size) {
    static uint8_t payload[LONGEST];
    const uint8_t type = data[0];
    size_t length = (data[1] | (size_t)data[2] << 8) % LONGEST;
    const size_t there = length < size - 3u ? length : size - 3u;
    memset(payload, 0, sizeof payload);
    memcpy(payload, data + 3, there);
    switch (type) {
    case RAW:
        blsh_server_receive(&server, payload, there);
        break;
    case IMAGE:
        push_image(payload, length);
        break;
    case PROVE:
        send_frame(BLSH_MSG_MODEL_PROVE, pushed, sizeof pushed);
        break;
    case START:
        start();
        break;
    case BLSH_MSG_HOP:
        if (++hops > MOST_HOPS) {
            break;
        }
        /* fall through */
    default:
        send_frame(type, payload, (uint16_t)(length > BLSH_MAX_PAYLOAD ? BLSH_MAX_PAYLOAD : length));
        break;
    }
    return 3u + there;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint32_t nonce = NONCE;
    static volatile size_t at;
    at = 0;
    memset(slots, 0xff, sizeof slots);
    hops = 0;
    if (setjmp(reset) != 0) {
        at = size; /* the board starts again; enough of this input */
    }
    start();
    while (size - at >= 3u) {
        at += play_record(data + at, size - at);
    }
    answered_nonce = 0;
    send_frame(BLSH_MSG_HELLO, (const uint8_t *)&nonce, sizeof nonce);
    if (answered_nonce != NONCE) {
        abort();
    }
    return 0;
}

/* ---- the part ------------------------------------------------------------------------------------------------- */

void hal_reset(void) { longjmp(reset, 1); }

uint32_t blsh_count_loop(uint32_t iterations) { /* in no time */ return 2u * iterations; }

uint32_t hal_ticks(void) {
    static uint32_t ticks;
    return ticks += 100u;
}

uint32_t hal_tick_hz(void) { return 1000000u; }

uint32_t hal_core_hz(void) { return 1000000u; }

const char *hal_core_name(void) { return "fuzzed-core-with-a-name-that-is-cut"; /* longer than its field */ }

const char *hal_board_name(void) { return "fuzzed"; }

uint32_t hal_receive_ring_bytes(void) { return 2048u; }

uint32_t hal_overruns(void) { return 0u; }

uint32_t hal_irq_disable(void) { return 0u; }

void hal_irq_restore(uint32_t saved) { (void)saved; }

uint32_t hal_reset_cause(void) { return HAL_RESET_POWER_ON; }

uint32_t hal_stack_bytes_used(void) { return 0u; }

bool hal_stack_overflowed(void) { return false; }

void hal_watchdog_watch(void) {}

void hal_watchdog_rest(void) {}

uint32_t *hal_slot(uint32_t slot) { return slots[slot]; }

uint32_t hal_slot_bytes(void) { return sizeof slots[0]; }

uint32_t hal_sector_bytes(void) { return SECTOR_WORDS * sizeof(uint32_t); }

void hal_sector_erase(uint32_t *sector) { memset(sector, 0xff, SECTOR_WORDS * sizeof(uint32_t)); }

void hal_word_program(uint32_t *at, uint32_t word) { *at &= word; }
