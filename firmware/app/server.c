// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "blsh_crc32.h"
#include "count_loop.h"
#include "hal.h"
#include "server_parts.h"

/* ---- replies ---------------------------------------------------------------------------------------------- */

static size_t length_up_to(const char *text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

void blsh_server_reply(blsh_server_t *server, uint8_t type, const void *payload, size_t bytes) {
    blsh_frame_send(&server->encoder, type, server->sequence, payload, (uint16_t)bytes);
}

static const char *error_text(uint16_t code) {
    switch (code) {
#define BLSH_CASE(name, value, text)                                                                                   \
    case name:                                                                                                         \
        return text;
        BLSH_WIRE_ERRORS(BLSH_CASE)
#undef BLSH_CASE
    default:
        return "";
    }
}

void blsh_server_refuse(blsh_server_t *server, uint8_t request_type, uint16_t code, uint32_t detail) {
    const blsh_msg_error_t error = {.request_type = request_type, .code = code, .detail = detail};
    const char *text = code == BLSH_WIRE_ERR_BAD_FRAME ? blsh_frame_error_text((int)detail) : error_text(code);
    const size_t length = length_up_to(text, BLSH_ERROR_TEXT_MAX);
    blsh_frame_begin(&server->encoder, BLSH_MSG_ERROR, server->sequence, (uint16_t)(sizeof error + length));
    blsh_frame_put(&server->encoder, &error, sizeof error);
    blsh_frame_put(&server->encoder, text, length);
    blsh_frame_end(&server->encoder);
}

void blsh_server_log(blsh_server_t *server, const char *text) {
    const size_t length = length_up_to(text, BLSH_LOG_TEXT_MAX);
    blsh_frame_send(&server->encoder, BLSH_MSG_LOG, 0, text, (uint16_t)length);
}

/* ---- HELLO ------------------------------------------------------------------------------------------------ */

static void copy_name(char *field, size_t bytes, const char *name) {
    memcpy(field, name, length_up_to(name, bytes)); /* the rest of the field is zero already */
}

/* Parts have no randomness of their own; when the first HELLO comes, and with which nonce, does not repeat. */
static uint32_t make_boot_nonce(uint32_t host_nonce) {
    const uint32_t seed[] = {hal_ticks(), host_nonce};
    return blsh_crc32(0, seed, sizeof seed) | 1u;
}

static void describe_model(const blsh_server_t *server, blsh_msg_hello_reply_t *hello) {
    const blsh_model_t *model = server->config->model;
    memcpy(hello->model_sha256, model->model_sha256, sizeof hello->model_sha256);
    hello->model_status = server->model_status;
    hello->dictionary_crc32 = model->dictionary_crc32;
    hello->dictionary_crc32_now = server->dictionary_crc32;
    hello->runtime_format = model->runtime_format;
    hello->entries = model->entries;
    hello->feature_kind = model->feature_kind;
    hello->features = model->features;
    hello->bits = model->bits;
    hello->neighbours = model->neighbours;
    hello->rate_hz = model->rate_hz;
    hello->window = model->window;
    hello->hop = model->hop;
    hello->synthesis = model->synthesis;
    hello->attenuation = model->attenuation;
    if (model->name != NULL) {
        copy_name(hello->model, sizeof hello->model, model->name);
    }
}

static void describe_board(const blsh_server_t *server, blsh_msg_hello_reply_t *hello) {
    hello->core_hz = hal_core_hz();
    hello->tick_hz = hal_tick_hz();
    hello->max_payload = BLSH_LONGEST_REQUEST;
    hello->hops_in_flight = BLSH_KEPT_REPLIES;
    hello->receive_ring = hal_receive_ring_bytes();
    hello->reset_cause = hal_reset_cause();
    hello->overruns = hal_overruns();
    hello->bad_frames = server->decoder.bad_frames;
    hello->stack_bytes_used = hal_stack_bytes_used();
    hello->integrity = server->integrity;
    copy_name(hello->board, sizeof hello->board, hal_board_name());
    copy_name(hello->core, sizeof hello->core, hal_core_name());
}

static void say_hello(blsh_server_t *server, uint32_t host_nonce) {
    blsh_msg_hello_reply_t hello = {
        .host_nonce = host_nonce,
        .boot_nonce = server->boot_nonce,
        .build_id = server->config->build_id,
        .protocol_version = BLSH_PROTOCOL_VERSION,
        .version_major = BLSH_VERSION_MAJOR,
        .version_minor = BLSH_VERSION_MINOR,
        .version_patch = BLSH_VERSION_PATCH,
    };
    describe_model(server, &hello);
    describe_board(server, &hello);
    blsh_server_reply(server, BLSH_MSG_HELLO_REPLY, &hello, sizeof hello);
}

static void handle_hello(blsh_server_t *server, const uint8_t *payload) {
    uint32_t host_nonce;
    memcpy(&host_nonce, payload, sizeof host_nonce);
    if (server->boot_nonce == 0u) {
        server->boot_nonce = make_boot_nonce(host_nonce);
    }
    say_hello(server, host_nonce);
}

/* ---- integrity -------------------------------------------------------------------------------------------- */

static void check_integrity(blsh_server_t *server) {
    const blsh_model_t *model = server->config->model;
    if (server->model_status != BLSH_OK) { /* its tables may be anywhere */
        server->integrity |= BLSH_INTEGRITY_MODEL;
    } else {
        server->dictionary_crc32 = blsh_dictionary_crc32(model);
        server->integrity &= ~BLSH_INTEGRITY_DICTIONARY;
        if (server->dictionary_crc32 != model->dictionary_crc32) {
            server->integrity |= BLSH_INTEGRITY_DICTIONARY;
        }
    }
    if (hal_stack_overflowed()) {
        server->integrity |= BLSH_INTEGRITY_STACK;
    }
}

static void handle_check(blsh_server_t *server, const uint8_t *payload) {
    (void)payload;
    check_integrity(server);
    const blsh_msg_checked_t checked = {
        .integrity = server->integrity,
        .dictionary_crc32_now = server->dictionary_crc32,
    };
    blsh_server_reply(server, BLSH_MSG_CHECKED, &checked, sizeof checked);
}

/* ---- models in slots -------------------------------------------------------------------------------------- */

/* The samples of a hop, even where the model is refused for other reasons: then they pass through. 0 if the numbers are
 * not those of a model. */
static uint16_t hop_samples(const blsh_model_t *model) {
    const uint32_t hop = model->hop, delay = blsh_delay_samples(model), part = hop - 1u;
    const bool sane = hop != 0u && hop <= BLSH_MAX_HOP && (hop & part) == 0u && delay != 0u && (delay & part) == 0u &&
                      delay <= BLSH_MAX_HISTORY;
    return sane ? model->hop : 0u;
}

/* Look at the model again: at start, and when another one has taken its place. */
static void accept_model(blsh_server_t *server) {
    server->streaming = false;
    server->hop_samples = hop_samples(server->config->model);
    server->model_status = blsh_init(server->config->state, server->config->model);
    server->integrity &= ~BLSH_INTEGRITY_MODEL;
    check_integrity(server);
}

#ifdef BLSH_SLOTS
static void handle_slots(blsh_server_t *server, const uint8_t *payload) {
    blsh_msg_slots_reply_t slots = {
        .room = blsh_models_room(),
        .max_bits = BLSH_MAX_BITS,
        .max_neighbours = BLSH_MAX_NEIGHBOURS,
        .max_smoothed = BLSH_MAX_SMOOTHED,
        .running = server->config->models->running,
        .kinds = BLSH_KINDS,
        .windows = BLSH_WINDOWS,
        .max_history = BLSH_MAX_HISTORY,
        .max_overlap = BLSH_MAX_OVERLAP,
    };
    (void)payload;
    for (uint32_t slot = 0; slot < 2u; slot++) {
        slots.state[slot] = blsh_models_state(server->config->models, slot);
        if (slots.state[slot] != BLSH_SLOT_EMPTY) {
            slots.sequence[slot] = blsh_models_sequence(slot);
            memcpy(slots.images + slot * BLSH_SHA256_BYTES, blsh_models_image(slot)->sha256, BLSH_SHA256_BYTES);
        }
    }
    blsh_server_reply(server, BLSH_MSG_SLOTS_REPLY, &slots, sizeof slots);
}

/* Carry out a push's request: 0, or why it is refused. `offset`: PUSH_DATA's, or where PUSH_BEGIN is to go on. */
static int push(blsh_server_t *server, uint8_t type, const uint8_t *payload, uint32_t *offset) {
    blsh_models_t *models = server->config->models;
    const size_t head = offsetof(blsh_msg_push_data_t, data);
    blsh_image_header_t header;
    switch (type) {
    case BLSH_MSG_PUSH_BEGIN:
        memcpy(&header, payload, sizeof header); /* to where its words are aligned */
        return blsh_models_begin(models, &header, offset);
    case BLSH_MSG_PUSH_DATA:
        memcpy(offset, payload, sizeof *offset);
        return blsh_models_write(models, *offset, payload + head, (uint32_t)(BLSH_MSG_PUSH_DATA_BYTES - head) / 4u);
    case BLSH_MSG_MODEL_TRY:
        return blsh_models_try(models, server->request.samples + BLSH_SAMPLES_AT);
    case BLSH_MSG_MODEL_PROVE:
        return blsh_models_prove(models, payload);
    default:
        return blsh_models_factory(models);
    }
}

static void handle_push(blsh_server_t *server, const uint8_t *payload) {
    const uint8_t type = server->request.bytes[1];
    blsh_msg_push_ready_t ready = {0};
    const int result = push(server, type, payload, &ready.offset);
    if (type != BLSH_MSG_PUSH_DATA && type != BLSH_MSG_MODEL_PROVE) { /* another model may run now */
        accept_model(server);
    }
    if (result != 0) {
        blsh_server_refuse(server, type, BLSH_WIRE_ERR_IMAGE_REFUSED, (uint32_t)result);
    } else if (type == BLSH_MSG_PUSH_BEGIN) {
        blsh_server_reply(server, BLSH_MSG_PUSH_READY, &ready, sizeof ready);
    } else {
        blsh_server_reply(server, BLSH_MSG_DONE, NULL, 0);
    }
}
#endif

/* ---- the rest --------------------------------------------------------------------------------------------- */

static void handle_count_loop(blsh_server_t *server, const uint8_t *payload) {
    uint32_t iterations;
    memcpy(&iterations, payload, sizeof iterations);
    if (iterations < 1u || iterations > BLSH_COUNT_LOOP_MAX) {
        blsh_server_refuse(server, BLSH_MSG_COUNT_LOOP, BLSH_WIRE_ERR_BAD_VALUE, iterations);
        return;
    }
    const uint32_t saved = hal_irq_disable();
    const uint32_t start = hal_ticks();
    COMPILER_BARRIER();
    const uint32_t instructions = blsh_count_loop(iterations);
    COMPILER_BARRIER();
    const uint32_t ticks = hal_ticks() - start;
    hal_irq_restore(saved);
    const blsh_msg_count_loop_done_t done = {.ticks = ticks, .instructions = instructions};
    blsh_server_reply(server, BLSH_MSG_COUNT_LOOP_DONE, &done, sizeof done);
}

static void handle_reset(blsh_server_t *server, const uint8_t *payload) {
    (void)payload;
    blsh_server_reply(server, BLSH_MSG_DONE, NULL, 0);
    hal_reset();
}

/* ---- dispatch --------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t type;
    uint16_t length;
    void (*handle)(blsh_server_t *server, const uint8_t *payload);
} request_t;

static const request_t requests[] = {
    {BLSH_MSG_HELLO, BLSH_MSG_HELLO_BYTES, handle_hello},
    {BLSH_MSG_RESET_STREAM, BLSH_MSG_RESET_STREAM_BYTES, blsh_server_reset_stream},
    {BLSH_MSG_HOP, BLSH_MSG_HOP_BYTES, blsh_server_hop},
    {BLSH_MSG_COUNT_LOOP, BLSH_MSG_COUNT_LOOP_BYTES, handle_count_loop},
    {BLSH_MSG_RESET, BLSH_MSG_RESET_BYTES, handle_reset},
    {BLSH_MSG_CHECK, BLSH_MSG_CHECK_BYTES, handle_check},
#ifdef BLSH_SLOTS
    {BLSH_MSG_SLOTS, BLSH_MSG_SLOTS_BYTES, handle_slots},
    {BLSH_MSG_PUSH_BEGIN, BLSH_MSG_PUSH_BEGIN_BYTES, handle_push},
    {BLSH_MSG_PUSH_DATA, BLSH_MSG_PUSH_DATA_BYTES, handle_push},
    {BLSH_MSG_MODEL_TRY, BLSH_MSG_MODEL_TRY_BYTES, handle_push},
    {BLSH_MSG_MODEL_PROVE, BLSH_MSG_MODEL_PROVE_BYTES, handle_push},
    {BLSH_MSG_MODEL_FACTORY, BLSH_MSG_MODEL_FACTORY_BYTES, handle_push},
#endif
};

static const request_t *find_request(uint8_t type) {
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].type == type) {
            return &requests[i];
        }
    }
    return NULL;
}

/* A HOP has a hop of the model behind its fixed part. */
static size_t payload_bytes(const blsh_server_t *server, const request_t *request) {
    return request->length + (request->type == BLSH_MSG_HOP ? server->hop_samples * sizeof(int16_t) : 0u);
}

static void dispatch(blsh_server_t *server, const blsh_frame_t *frame) {
    if (frame->type >= BLSH_FIRST_REPLY) {
        return;
    }
    server->sequence = frame->sequence;
    const request_t *request = find_request(frame->type);
    if (request == NULL) {
        blsh_server_refuse(server, frame->type, BLSH_WIRE_ERR_UNKNOWN_TYPE, frame->type);
    } else if (frame->length != payload_bytes(server, request)) {
        blsh_server_refuse(server, frame->type, BLSH_WIRE_ERR_BAD_LENGTH, frame->length);
    } else {
        request->handle(server, frame->payload);
    }
}

void blsh_server_receive(blsh_server_t *server, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        blsh_frame_t frame;
        const int result = blsh_decoder_feed(&server->decoder, bytes[i], &frame);
        if (result == BLSH_FRAME_NONE) {
            continue;
        }
        hal_watchdog_watch();
        if (result == BLSH_FRAME_READY) {
            dispatch(server, &frame);
        } else {
            server->sequence = 0;
            blsh_server_refuse(server, 0, BLSH_WIRE_ERR_BAD_FRAME, (uint32_t)result);
        }
        hal_watchdog_rest();
    }
}

void blsh_server_init(blsh_server_t *server, const blsh_server_config_t *config) {
    memset(server, 0, sizeof *server);
    server->config = config;
    server->encoder.write = config->write;
    server->encoder.context = config->context;
    blsh_decoder_init(&server->decoder, server->request.bytes, sizeof server->request.bytes);
    accept_model(server);
    say_hello(server, 0);
}
