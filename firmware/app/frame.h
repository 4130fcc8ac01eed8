// SPDX-License-Identifier: Apache-2.0
/* Frames on the serial line: 0x00 | COBS(header, payload, crc32) | 0x00.
 *
 * Receiving, a byte at a time; nothing blocks, and a partial frame costs nothing but its place:
 *
 *     static uint8_t buffer[BLSH_FRAME_OVERHEAD + 64u];     // payloads of up to 64 bytes
 *     blsh_decoder_t decoder;
 *     blsh_decoder_init(&decoder, buffer, sizeof buffer);
 *     blsh_frame_t frame;
 *     int result = blsh_decoder_feed(&decoder, byte, &frame);
 *     if (result == BLSH_FRAME_READY) handle(&frame);       // frame.payload is good until the next feed
 *     else if (result < 0) log(blsh_frame_error_text(result)); // dropped; the next 0x00 starts afresh
 *
 * Sending, encoded on the fly: no second buffer for the whole frame, so a payload may come in pieces:
 *
 *     blsh_encoder_t encoder = {.write = uart_write, .context = &uart};
 *     blsh_frame_begin(&encoder, BLSH_MSG_DONE, sequence, 8);
 *     blsh_frame_put(&encoder, first, 4);
 *     blsh_frame_put(&encoder, second, 4);
 *     blsh_frame_end(&encoder);
 */
#ifndef BLSH_FRAME_H
#define BLSH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blsh_protocol.h"

#define BLSH_COBS_BLOCK 254u /* most bytes that one code byte announces */

/* ---- receiving -------------------------------------------------------------------------------------------- */

/* The result of a byte: nothing, a frame, or (negative) a BLSH_FRAME_ERR_... */
enum { BLSH_FRAME_NONE = 0, BLSH_FRAME_READY = 1 };

typedef struct {
    uint8_t type;
    uint16_t sequence;
    uint16_t length;
    const uint8_t *payload; /* 6 bytes into the decoder's buffer */
} blsh_frame_t;

typedef struct {
    uint8_t *buffer;
    size_t capacity;
    size_t count;        /* bytes decoded */
    uint32_t bad_frames; /* frames dropped */
    uint8_t left;        /* bytes until the next code byte */
    bool started;        /* something came since the last 0x00 */
    bool implied_zero;   /* the block ends with a zero if another block follows */
    bool overflow;
} blsh_decoder_t;

/* `capacity`: BLSH_FRAME_OVERHEAD and the longest payload wanted. A longer frame is BLSH_FRAME_ERR_LONG. */
void blsh_decoder_init(blsh_decoder_t *decoder, uint8_t *buffer, size_t capacity);

int blsh_decoder_feed(blsh_decoder_t *decoder, uint8_t byte, blsh_frame_t *frame);

/* One line of English for a negative result. */
const char *blsh_frame_error_text(int error);

/* ---- sending ---------------------------------------------------------------------------------------------- */

typedef struct {
    void (*write)(void *context, const uint8_t *bytes, size_t count); /* called at least every 255 bytes */
    void *context;
    uint32_t crc;
    size_t used; /* bytes in the open block, its code byte included */
    uint8_t block[1u + BLSH_COBS_BLOCK];
} blsh_encoder_t;

/* Begin a frame. `length`: bytes of the payload, all of which must then be put. */
void blsh_frame_begin(blsh_encoder_t *encoder, uint8_t type, uint16_t sequence, uint16_t length);
void blsh_frame_put(blsh_encoder_t *encoder, const void *bytes, size_t count);
void blsh_frame_end(blsh_encoder_t *encoder);

/* Begin a frame, put its payload and end it. */
void blsh_frame_send(blsh_encoder_t *encoder, uint8_t type, uint16_t sequence, const void *payload, uint16_t length);

#endif
