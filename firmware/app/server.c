#include "server.h"

#include <string.h>

#include "blsh_crc32.h"
#include "count_loop.h"
#include "hal.h"

_Static_assert(BLSH_WIRE_HOP == BLSH_HOP, "the protocol and the core have the same hop");
_Static_assert(BLSH_WIRE_STAGES == BLSH_STAGE_COUNT, "the protocol and the core have the same stages");

/* The samples of a HOP in the request buffer, for the core to work on as int16_t. */
#define SAMPLES_AT (BLSH_FRAME_HEADER_BYTES + offsetof(blsh_msg_hop_t, samples))
_Static_assert(SAMPLES_AT % sizeof(uint32_t) == 0u, "samples lie on words");

#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory") /* no work moves across a reading of the counter */

/* ---- replies ---------------------------------------------------------------------------------------------- */

static size_t length_up_to(const char *text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

static void reply(blsh_server_t *server, uint8_t type, const void *payload, size_t bytes) {
    blsh_frame_send(&server->encoder, type, server->sequence, payload, (uint16_t)bytes);
}

static const char *error_text(uint16_t code) {
    switch (code) {
#define BLSH_CASE(name, value, text) \
    case name: \
        return text;
        BLSH_WIRE_ERRORS(BLSH_CASE)
#undef BLSH_CASE
    default:
        return "";
    }
}

/* Answer ERROR. `text` NULL: the code's own. */
static void refuse(blsh_server_t *server, uint8_t request_type, uint16_t code, uint32_t detail, const char *text) {
    const blsh_msg_error_t error = {.request_type = request_type, .code = code, .detail = detail};
    const char *words = text != NULL ? text : error_text(code);
    const size_t length = length_up_to(words, BLSH_ERROR_TEXT_MAX);
    blsh_frame_begin(&server->encoder, BLSH_MSG_ERROR, server->sequence, (uint16_t)(sizeof error + length));
    blsh_frame_put(&server->encoder, &error, sizeof error);
    blsh_frame_put(&server->encoder, words, length);
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
    if (model->name != NULL) {
        copy_name(hello->model, sizeof hello->model, model->name);
    }
}

static void describe_board(const blsh_server_t *server, blsh_msg_hello_reply_t *hello) {
    hello->core_hz = hal_core_hz();
    hello->tick_hz = hal_tick_hz();
    hello->max_payload = BLSH_MAX_REQUEST_PAYLOAD;
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
    reply(server, BLSH_MSG_HELLO_REPLY, &hello, sizeof hello);
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
    reply(server, BLSH_MSG_CHECKED, &checked, sizeof checked);
}

/* ---- the stream ------------------------------------------------------------------------------------------- */

static void handle_reset_stream(blsh_server_t *server, const uint8_t *payload) {
    blsh_state_t *state = server->config->state;
    memset(state, 0, sizeof *state); /* a refused model leaves it as it was */
    (void)blsh_init(state, server->config->model);
    memcpy(&server->stream, payload, sizeof server->stream);
    server->hop = 0;
    server->streaming = true;
    reply(server, BLSH_MSG_DONE, NULL, 0);
}

/* What the probe of one hop does and finds. */
typedef struct {
    blsh_server_t *server;
    uint8_t flags;
    uint8_t dumped_stage;
    uint32_t resumed; /* when the core went on after the last stage */
    uint32_t spent;   /* ticks in the probe so far */
    uint32_t digest[BLSH_WIRE_STAGES];
    uint32_t ticks[BLSH_WIRE_STAGES];
} observer_t;

static void send_stage(blsh_server_t *server, blsh_stage_t stage, const uint8_t *values, size_t bytes) {
    blsh_msg_stage_data_t head = {.hop = server->hop, .stage = (uint8_t)stage, .total = (uint32_t)bytes};
    for (size_t offset = 0; offset < bytes; offset += BLSH_MSG_STAGE_DATA_TAIL_MAX) {
        const size_t left = bytes - offset;
        const size_t piece = left < BLSH_MSG_STAGE_DATA_TAIL_MAX ? left : BLSH_MSG_STAGE_DATA_TAIL_MAX;
        head.offset = (uint32_t)offset;
        blsh_frame_begin(&server->encoder, BLSH_MSG_STAGE_DATA, server->sequence, (uint16_t)(sizeof head + piece));
        blsh_frame_put(&server->encoder, &head, sizeof head);
        blsh_frame_put(&server->encoder, values + offset, piece);
        blsh_frame_end(&server->encoder);
    }
}

static void observe(void *context, blsh_stage_t stage, const void *values, size_t bytes) {
    observer_t *observer = context;
    const uint32_t arrived = hal_ticks();
    COMPILER_BARRIER();
    observer->ticks[stage] = arrived - observer->resumed;
    if ((observer->flags & BLSH_HOP_DIGESTS) != 0u) {
        observer->digest[stage] = blsh_crc32(0, values, bytes);
    }
    if ((observer->flags & BLSH_HOP_DUMP) != 0u && (uint8_t)stage == observer->dumped_stage) {
        send_stage(observer->server, stage, values, bytes);
    }
    COMPILER_BARRIER();
    observer->resumed = hal_ticks();
    observer->spent += observer->resumed - arrived;
}

/* Returns the ticks of the hop itself. The probe is left out of a hop that does not need it. */
static uint32_t timed_hop(blsh_state_t *state, int16_t samples[BLSH_HOP], observer_t *observer) {
    const blsh_probe_t probe = {.stage_done = observe, .context = observer};
    const bool probed = (observer->flags & (BLSH_HOP_DIGESTS | BLSH_HOP_STAGE_TICKS | BLSH_HOP_DUMP)) != 0u;
    const uint32_t start = hal_ticks();
    observer->resumed = start;
    COMPILER_BARRIER();
    blsh_hop(state, samples, samples, probed ? &probe : NULL);
    COMPILER_BARRIER();
    return hal_ticks() - start - observer->spent;
}

/* The samples as they came, as late as processed ones would be: the state's history is the line that delays them. */
static void pass_through(blsh_state_t *state, int16_t samples[BLSH_HOP]) {
    _Static_assert(BLSH_HISTORY == 3u * BLSH_HOP, "a delay of three hops");
    int16_t *line = state->history;
    for (size_t n = 0; n < BLSH_HOP; n++) {
        const int16_t newest = samples[n];
        samples[n] = line[n];
        line[n] = line[n + BLSH_HOP];
        line[n + BLSH_HOP] = line[n + 2u * BLSH_HOP];
        line[n + 2u * BLSH_HOP] = newest;
    }
}

/* Between two hops the core needs nothing of what its frame holds: the reply to the last hop is kept there. */
#define KEPT_WORDS (BLSH_HOP * sizeof(int16_t) / sizeof(int32_t))
#define KEPT_SAMPLES 0u
#define KEPT_DIGESTS KEPT_WORDS
#define KEPT_TICKS (KEPT_DIGESTS + BLSH_WIRE_STAGES)
_Static_assert(KEPT_TICKS + BLSH_WIRE_STAGES <= sizeof(((blsh_state_t *)0)->frame.values) / sizeof(int32_t),
               "the frame has room for a reply");

static void keep_reply(blsh_server_t *server, const observer_t *observer, uint32_t ticks, const int16_t *samples) {
    int32_t *kept = server->config->state->frame.values;
    memcpy(kept + KEPT_SAMPLES, samples, BLSH_HOP * sizeof samples[0]);
    memcpy(kept + KEPT_DIGESTS, observer->digest, sizeof observer->digest);
    memcpy(kept + KEPT_TICKS, observer->ticks, sizeof observer->ticks);
    server->last.ticks = ticks;
    server->last.flags = observer->flags;
}

/* The next hop is about to take the frame. */
static void move_kept_reply(blsh_server_t *server) {
    server->earlier = server->last;
    memcpy(server->earlier_samples, server->config->state->frame.values + KEPT_SAMPLES, sizeof server->earlier_samples);
}

static void reply_hop_done(blsh_server_t *server, uint32_t hop, blsh_outcome_t outcome, const void *samples) {
    const struct {
        uint32_t hop;
        uint32_t ticks;
        uint8_t flags;
        uint8_t integrity;
        uint16_t stream;
    } head = {hop, outcome.ticks, outcome.flags, (uint8_t)server->integrity, server->stream};
    _Static_assert(sizeof head == offsetof(blsh_msg_hop_done_t, samples), "HOP_DONE up to its samples");
    const int32_t *kept = server->config->state->frame.values;
    const size_t block = BLSH_WIRE_STAGES * sizeof(uint32_t);
    const size_t digest_bytes = (outcome.flags & BLSH_HOP_DIGESTS) != 0u ? block : 0u;
    const size_t tick_bytes = (outcome.flags & BLSH_HOP_STAGE_TICKS) != 0u ? block : 0u;

    blsh_frame_begin(&server->encoder, BLSH_MSG_HOP_DONE, server->sequence,
                     (uint16_t)(BLSH_MSG_HOP_DONE_BYTES + digest_bytes + tick_bytes));
    blsh_frame_put(&server->encoder, &head, sizeof head);
    blsh_frame_put(&server->encoder, samples, BLSH_HOP * sizeof(int16_t));
    blsh_frame_put(&server->encoder, kept + KEPT_DIGESTS, digest_bytes);
    blsh_frame_put(&server->encoder, kept + KEPT_TICKS, tick_bytes);
    blsh_frame_end(&server->encoder);
}

static void reply_last_hop(blsh_server_t *server) {
    reply_hop_done(server, server->hop - 1u, server->last, server->config->state->frame.values + KEPT_SAMPLES);
}

static void do_hop(blsh_server_t *server, uint8_t flags, uint8_t stage) {
    int16_t *samples = &server->request.samples[SAMPLES_AT / sizeof(int16_t)];
    blsh_state_t *state = server->config->state;
    observer_t observer = {.server = server, .flags = flags, .dumped_stage = stage};
    const bool masked = (flags & BLSH_HOP_MASKED_IRQ) != 0u;
    uint32_t ticks = 0;

    move_kept_reply(server);
    if (server->integrity != 0u) {
        pass_through(state, samples);
    } else {
        const uint32_t saved = masked ? hal_irq_disable() : 0u;
        ticks = timed_hop(state, samples, &observer);
        if (masked) {
            hal_irq_restore(saved);
        }
        if (hal_stack_overflowed()) { /* what was computed is not to be trusted, and its input is gone */
            server->integrity |= BLSH_INTEGRITY_STACK;
            memset(samples, 0, BLSH_HOP * sizeof samples[0]);
        }
    }
    keep_reply(server, &observer, ticks, samples);
    server->hop++;
    reply_last_hop(server);
}

/* The hop was done before: its reply again, if it is kept as it was asked for. STAGE_DATA is not. */
static bool replied_again(blsh_server_t *server, uint16_t hop, uint8_t flags) {
    const uint16_t age = (uint16_t)(server->hop - hop);
    if (age == 1u && server->hop >= 1u && flags == server->last.flags && (flags & BLSH_HOP_DUMP) == 0u) {
        reply_last_hop(server);
    } else if (age == 2u && server->hop >= 2u && flags == 0u && server->earlier.flags == 0u) {
        reply_hop_done(server, server->hop - 2u, server->earlier, server->earlier_samples);
    } else {
        return false;
    }
    return true;
}

static void handle_hop(blsh_server_t *server, const uint8_t *payload) {
    struct {
        uint16_t hop;
        uint16_t stream;
        uint8_t flags;
        uint8_t stage;
    } head;
    _Static_assert(sizeof head == offsetof(blsh_msg_hop_t, samples), "HOP up to its samples");
    memcpy(&head, payload, sizeof head);
    if ((head.flags & ~BLSH_HOP_FLAGS) != 0u) {
        refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_BAD_FLAGS, head.flags, NULL);
    } else if ((head.flags & BLSH_HOP_DUMP) != 0u && head.stage >= BLSH_WIRE_STAGES) {
        refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_BAD_STAGE, head.stage, NULL);
    } else if (!server->streaming || head.stream != server->stream) {
        refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_NOT_READY, head.stream, NULL);
    } else if (head.hop == (uint16_t)server->hop) {
        do_hop(server, head.flags, head.stage);
    } else if (!replied_again(server, head.hop, head.flags)) {
        refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_OUT_OF_ORDER, server->hop, NULL);
    }
}

/* ---- models in slots -------------------------------------------------------------------------------------- */

/* Look at the model again: at start, and when another one has taken its place. */
static void accept_model(blsh_server_t *server) {
    server->streaming = false;
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
    };
    (void)payload;
    for (uint32_t slot = 0; slot < 2u; slot++) {
        slots.state[slot] = blsh_models_state(server->config->models, slot);
        if (slots.state[slot] != BLSH_SLOT_EMPTY) {
            slots.sequence[slot] = blsh_models_sequence(slot);
            memcpy(slots.images + slot * BLSH_SHA256_BYTES, blsh_models_image(slot)->sha256, BLSH_SHA256_BYTES);
        }
    }
    reply(server, BLSH_MSG_SLOTS_REPLY, &slots, sizeof slots);
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
        return blsh_models_try(models, server->request.samples + SAMPLES_AT / sizeof(int16_t));
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
        refuse(server, type, BLSH_WIRE_ERR_IMAGE_REFUSED, (uint32_t)result, NULL);
    } else if (type == BLSH_MSG_PUSH_BEGIN) {
        reply(server, BLSH_MSG_PUSH_READY, &ready, sizeof ready);
    } else {
        reply(server, BLSH_MSG_DONE, NULL, 0);
    }
}
#endif

/* ---- the rest --------------------------------------------------------------------------------------------- */

static void handle_count_loop(blsh_server_t *server, const uint8_t *payload) {
    uint32_t iterations;
    memcpy(&iterations, payload, sizeof iterations);
    if (iterations < 1u || iterations > BLSH_COUNT_LOOP_MAX) {
        refuse(server, BLSH_MSG_COUNT_LOOP, BLSH_WIRE_ERR_BAD_VALUE, iterations, NULL);
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
    reply(server, BLSH_MSG_COUNT_LOOP_DONE, &done, sizeof done);
}

static void handle_reset(blsh_server_t *server, const uint8_t *payload) {
    (void)payload;
    reply(server, BLSH_MSG_DONE, NULL, 0);
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
    {BLSH_MSG_RESET_STREAM, BLSH_MSG_RESET_STREAM_BYTES, handle_reset_stream},
    {BLSH_MSG_HOP, BLSH_MSG_HOP_BYTES, handle_hop},
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

static void dispatch(blsh_server_t *server, const blsh_frame_t *frame) {
    if (frame->type >= BLSH_FIRST_REPLY) {
        return;
    }
    server->sequence = frame->sequence;
    const request_t *request = find_request(frame->type);
    if (request == NULL) {
        refuse(server, frame->type, BLSH_WIRE_ERR_UNKNOWN_TYPE, frame->type, NULL);
    } else if (frame->length != request->length) {
        refuse(server, frame->type, BLSH_WIRE_ERR_BAD_LENGTH, frame->length, NULL);
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
            refuse(server, 0, BLSH_WIRE_ERR_BAD_FRAME, (uint32_t)result, blsh_frame_error_text(result));
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
