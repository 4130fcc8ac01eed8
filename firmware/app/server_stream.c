// SPDX-License-Identifier: Apache-2.0
/* RESET_STREAM and HOP: a hop is done once and observed as its flags ask; the replies to the last two are kept. */
#include <string.h>

#include "blsh_crc32.h"
#include "hal.h"
#include "server_parts.h"

_Static_assert(BLSH_MAX_HOP <= BLSH_WIRE_MAX_HOP, "the protocol has room for every hop");
_Static_assert(BLSH_WIRE_STAGES == BLSH_STAGE_COUNT, "the protocol and the core have the same stages");
_Static_assert(BLSH_ATTENUATION_OF_MODEL == 254u && BLSH_ATTENUATION_OFF == 255u, "no limit is larger than these two");

void blsh_server_reset_stream(blsh_server_t *server, const uint8_t *payload) {
    blsh_state_t *state = server->config->state;
    memset(state, 0, sizeof *state); /* a refused model leaves it as it was */
    (void)blsh_init(state, server->config->model);
    memcpy(&server->stream, payload, sizeof server->stream);
    server->hop = 0;
    server->streaming = true;
    blsh_server_reply(server, BLSH_MSG_DONE, NULL, 0);
}

/* The work and the findings of the probe of one hop. */
typedef struct {
    blsh_server_t *server;
    uint8_t flags;
    uint8_t dumped_stage;
    uint32_t resumed; /* when the core went on after the last stage */
    uint32_t spent;   /* ticks spent in the probe */
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
static uint32_t timed_hop(blsh_state_t *state, int16_t *samples, observer_t *observer) {
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
static void pass_through(const blsh_server_t *server, int16_t *samples) {
    int16_t *line = server->config->state->history;
    const size_t hop = server->hop_samples, delay = blsh_delay_samples(server->config->model); /* whole hops */
    for (size_t n = 0; n < hop; n++) {
        const int16_t newest = samples[n];
        samples[n] = line[n];
        for (size_t at = n; at + hop < delay; at += hop) {
            line[at] = line[at + hop];
        }
        line[delay - hop + n] = newest;
    }
}

/* Between two hops the core needs nothing of what its frame holds: the reply to the last hop is kept there. */
#define KEPT_WORDS   (BLSH_MAX_HOP * sizeof(int16_t) / sizeof(int32_t))
#define KEPT_SAMPLES 0u
#define KEPT_DIGESTS KEPT_WORDS
#define KEPT_TICKS   (KEPT_DIGESTS + BLSH_WIRE_STAGES)
_Static_assert(KEPT_TICKS + BLSH_WIRE_STAGES <= sizeof(((blsh_state_t *)0)->frame.values) / sizeof(int32_t),
               "the frame has room for a reply");

static void keep_reply(blsh_server_t *server, const observer_t *observer, uint32_t ticks, const int16_t *samples) {
    int32_t *kept = server->config->state->frame.values;
    memcpy(kept + KEPT_SAMPLES, samples, server->hop_samples * sizeof samples[0]);
    memcpy(kept + KEPT_DIGESTS, observer->digest, sizeof observer->digest);
    memcpy(kept + KEPT_TICKS, observer->ticks, sizeof observer->ticks);
    server->last = (blsh_outcome_t){.ticks = ticks, .flags = observer->flags};
    if (server->integrity == 0u) {
        server->last.activity = blsh_activity(server->config->state);
        server->last.reduction_db = (uint8_t)blsh_reduction_db(server->config->state);
    }
}

/* The next hop is about to take the frame. */
static void move_kept_reply(blsh_server_t *server) {
    server->earlier = server->last;
    memcpy(server->earlier_samples, server->config->state->frame.values + KEPT_SAMPLES,
           server->hop_samples * sizeof server->earlier_samples[0]);
}

static void reply_hop_done(blsh_server_t *server, uint32_t hop, blsh_outcome_t outcome, const void *samples) {
    const blsh_msg_hop_done_t head = {
        .hop = hop,
        .ticks = outcome.ticks,
        .flags = outcome.flags,
        .integrity = (uint8_t)server->integrity,
        .stream = server->stream,
        .activity = outcome.activity,
        .reduction_db = outcome.reduction_db,
    };
    const size_t sample_bytes = server->hop_samples * sizeof(int16_t);
    const int32_t *kept = server->config->state->frame.values;
    const size_t block = BLSH_WIRE_STAGES * sizeof(uint32_t);
    const size_t digest_bytes = (outcome.flags & BLSH_HOP_DIGESTS) != 0u ? block : 0u;
    const size_t tick_bytes = (outcome.flags & BLSH_HOP_STAGE_TICKS) != 0u ? block : 0u;

    blsh_frame_begin(&server->encoder, BLSH_MSG_HOP_DONE, server->sequence,
                     (uint16_t)(sizeof head + sample_bytes + digest_bytes + tick_bytes));
    blsh_frame_put(&server->encoder, &head, sizeof head);
    blsh_frame_put(&server->encoder, samples, sample_bytes);
    blsh_frame_put(&server->encoder, kept + KEPT_DIGESTS, digest_bytes);
    blsh_frame_put(&server->encoder, kept + KEPT_TICKS, tick_bytes);
    blsh_frame_end(&server->encoder);
}

static void reply_last_hop(blsh_server_t *server) {
    reply_hop_done(server, server->hop - 1u, server->last, server->config->state->frame.values + KEPT_SAMPLES);
}

static void do_hop(blsh_server_t *server, const blsh_msg_hop_t *head) {
    int16_t *samples = &server->request.samples[BLSH_SAMPLES_AT];
    blsh_state_t *state = server->config->state;
    observer_t observer = {.server = server, .flags = head->flags, .dumped_stage = head->stage};
    const bool masked = (head->flags & BLSH_HOP_MASKED_IRQ) != 0u;
    uint32_t ticks = 0;

    move_kept_reply(server);
    if (server->integrity != 0u) {
        pass_through(server, samples);
    } else {
        const bool own = head->attenuation == BLSH_ATTENUATION_OF_MODEL;
        (void)blsh_set_attenuation(state, own ? server->config->model->attenuation : head->attenuation);
        const uint32_t saved = masked ? hal_irq_disable() : 0u;
        ticks = timed_hop(state, samples, &observer);
        if (masked) {
            hal_irq_restore(saved);
        }
        if (hal_stack_overflowed()) { /* what was computed is not to be trusted, and its input is gone */
            server->integrity |= BLSH_INTEGRITY_STACK;
            memset(samples, 0, server->hop_samples * sizeof samples[0]);
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

void blsh_server_hop(blsh_server_t *server, const uint8_t *payload) {
    blsh_msg_hop_t head;
    memcpy(&head, payload, sizeof head);
    if ((head.flags & ~BLSH_HOP_FLAGS) != 0u) {
        blsh_server_refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_BAD_FLAGS, head.flags);
    } else if ((head.flags & BLSH_HOP_DUMP) != 0u && head.stage >= BLSH_WIRE_STAGES) {
        blsh_server_refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_BAD_STAGE, head.stage);
    } else if (head.attenuation > BLSH_MOST_ATTENUATION && head.attenuation < BLSH_ATTENUATION_OF_MODEL) {
        blsh_server_refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_BAD_VALUE, head.attenuation);
    } else if (!server->streaming || head.stream != server->stream) {
        blsh_server_refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_NOT_READY, head.stream);
    } else if (head.hop == (uint16_t)server->hop) {
        do_hop(server, &head);
    } else if (!replied_again(server, head.hop, head.flags)) {
        blsh_server_refuse(server, BLSH_MSG_HOP, BLSH_WIRE_ERR_OUT_OF_ORDER, server->hop);
    }
}
