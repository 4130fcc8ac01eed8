// SPDX-License-Identifier: Apache-2.0
/* The board's side of the protocol: takes bytes as they come, does what they ask, writes replies.
 *
 *     static blsh_state_t state;
 *     static blsh_server_t server;
 *     static const blsh_server_config_t config = {.write = uart_write, .model = &blsh_model, .state = &state, ...};
 *
 *     blsh_server_init(&server, &config);
 *     for (;;) blsh_server_receive(&server, bytes, uart_read(bytes, sizeof bytes));
 *
 * A request that cannot be carried out is answered by ERROR, a damaged frame too; frames of the kind that boards
 * send are ignored, so that two boards on one line, or an echo, cannot keep each other busy. A hop is done once,
 * however often it is asked for: the replies to the last BLSH_KEPT_REPLIES are kept (docs/SPEC.md, 9).
 * Time, interrupts and the part's names come from hal.h; nothing else of the hardware is known here.
 */
#ifndef BLSH_SERVER_H
#define BLSH_SERVER_H

#include "blsh.h"
#include "blsh_protocol.h"
#include "frame.h"
#include "models.h"

/* The payload of the longest request that this firmware takes: a HOP, or with slots a piece of an image if it is
 * longer. */
#define BLSH_LONGEST_HOP (BLSH_MSG_HOP_BYTES + 2u * BLSH_MAX_HOP)
#if defined(BLSH_SLOTS) && BLSH_MSG_PUSH_DATA_BYTES > BLSH_LONGEST_HOP
#define BLSH_LONGEST_REQUEST BLSH_MSG_PUSH_DATA_BYTES
#else
#define BLSH_LONGEST_REQUEST BLSH_LONGEST_HOP
#endif

typedef struct {
    void (*write)(void *context, const uint8_t *bytes, size_t count); /* blocks until taken */
    void *context;
    const blsh_model_t *model;
    blsh_state_t *state;
    blsh_models_t *models; /* with BLSH_SLOTS: whose model `model` is; else NULL */
    uint32_t build_id;     /* build id of the firmware, or 0 */
} blsh_server_config_t;

/* The results of a hop that do not lie in the state's scratch. */
typedef struct {
    uint32_t ticks;
    uint8_t flags, activity, reduction_db;
} blsh_outcome_t;

typedef struct {
    const blsh_server_config_t *config;
    int model_status;          /* blsh_init's result */
    uint32_t dictionary_crc32; /* CRC as last computed */
    uint32_t integrity;        /* BLSH_INTEGRITY_...: while not 0, audio passes through unprocessed */
    uint32_t boot_nonce;       /* 0 until the first HELLO */
    uint32_t hop;              /* the next one's number since RESET_STREAM */
    uint16_t hop_samples;      /* samples of a HOP: the model's, 0 if they are not what a model may have */
    uint16_t stream;           /* the stream's name */
    bool streaming;            /* RESET_STREAM has come */
    uint16_t sequence;         /* sequence number of the request being answered */
    /* The replies to the last two hops, to be sent again: the last one's values wait in the state. */
    blsh_outcome_t last, earlier;
    int16_t earlier_samples[BLSH_MAX_HOP];
    blsh_decoder_t decoder;
    blsh_encoder_t encoder;
    union {
        uint8_t bytes[BLSH_FRAME_OVERHEAD + BLSH_LONGEST_REQUEST];
        int16_t samples[(BLSH_FRAME_OVERHEAD + BLSH_LONGEST_REQUEST) / 2u]; /* a hop is done where it arrived */
    } request;
} blsh_server_t;

/* Check the model and its dictionary: reads all of the latter. With a bad one audio passes through unprocessed. Then
 * announce the start by an unasked HELLO_REPLY. */
void blsh_server_init(blsh_server_t *server, const blsh_server_config_t *config);

/* Take received bytes; every request they complete is answered before this returns. */
void blsh_server_receive(blsh_server_t *server, const uint8_t *bytes, size_t count);

/* Send a line for people. */
void blsh_server_log(blsh_server_t *server, const char *text);

#endif
