// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include <string.h>

#include "blsh_crc32.h"

/* ---- receiving -------------------------------------------------------------------------------------------- */

static void restart(blsh_decoder_t *decoder) {
    decoder->count = 0;
    decoder->left = 0;
    decoder->started = false;
    decoder->implied_zero = false;
    decoder->overflow = false;
}

void blsh_decoder_init(blsh_decoder_t *decoder, uint8_t *buffer, size_t capacity) {
    decoder->buffer = buffer;
    decoder->capacity = capacity;
    decoder->bad_frames = 0;
    restart(decoder);
}

static void store(blsh_decoder_t *decoder, uint8_t byte) {
    if (decoder->count == decoder->capacity) {
        decoder->overflow = true;
        return;
    }
    decoder->buffer[decoder->count++] = byte;
}

static void unstuff(blsh_decoder_t *decoder, uint8_t byte) {
    decoder->started = true;
    if (decoder->left > 0u) {
        decoder->left--;
        store(decoder, byte);
        return;
    }
    if (decoder->implied_zero) {
        store(decoder, 0);
    }
    decoder->left = (uint8_t)(byte - 1u); /* never 0: that is the delimiter */
    decoder->implied_zero = byte <= BLSH_COBS_BLOCK;
}

static uint16_t read_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool crc_holds(const uint8_t *bytes, size_t count) {
    uint32_t sent;
    memcpy(&sent, bytes + count, sizeof sent);
    return sent == blsh_crc32(0, bytes, count);
}

/* The version is looked at last: then it is known to be what was sent. */
static int check(const blsh_decoder_t *decoder) {
    const uint8_t *bytes = decoder->buffer;
    if (decoder->overflow) {
        return BLSH_FRAME_ERR_LONG;
    }
    if (decoder->left > 0u) {
        return BLSH_FRAME_ERR_COBS;
    }
    if (decoder->count < BLSH_FRAME_OVERHEAD) {
        return BLSH_FRAME_ERR_SHORT;
    }
    if (read_u16(bytes + 4) != decoder->count - BLSH_FRAME_OVERHEAD) {
        return BLSH_FRAME_ERR_LENGTH;
    }
    if (!crc_holds(bytes, decoder->count - BLSH_FRAME_CRC_BYTES)) {
        return BLSH_FRAME_ERR_CRC;
    }
    return bytes[0] == BLSH_PROTOCOL_VERSION ? BLSH_FRAME_READY : BLSH_FRAME_ERR_VERSION;
}

int blsh_decoder_feed(blsh_decoder_t *decoder, uint8_t byte, blsh_frame_t *frame) {
    if (byte != 0u) {
        unstuff(decoder, byte);
        return BLSH_FRAME_NONE;
    }
    const int result = decoder->started ? check(decoder) : BLSH_FRAME_NONE;
    if (result == BLSH_FRAME_READY) {
        const uint8_t *bytes = decoder->buffer;
        frame->type = bytes[1];
        frame->sequence = read_u16(bytes + 2);
        frame->length = read_u16(bytes + 4);
        frame->payload = bytes + BLSH_FRAME_HEADER_BYTES;
    } else if (result < 0) {
        decoder->bad_frames++;
    }
    restart(decoder);
    return result;
}

const char *blsh_frame_error_text(int error) {
    switch (error) {
#define BLSH_CASE(name, value, text)                                                                                   \
    case name:                                                                                                         \
        return text;
        BLSH_FRAME_ERRORS(BLSH_CASE)
#undef BLSH_CASE
    default:
        return "unknown frame error";
    }
}

/* ---- sending ---------------------------------------------------------------------------------------------- */

static void close_block(blsh_encoder_t *encoder) {
    encoder->block[0] = (uint8_t)encoder->used;
    encoder->write(encoder->context, encoder->block, encoder->used);
    encoder->used = 1;
}

static void stuff(blsh_encoder_t *encoder, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (encoder->used == sizeof encoder->block) { /* only now: a full block that ends the frame implies no zero */
            close_block(encoder);
        }
        if (bytes[i] == 0u) {
            close_block(encoder);
        } else {
            encoder->block[encoder->used++] = bytes[i];
        }
    }
}

static void write_delimiter(const blsh_encoder_t *encoder) {
    const uint8_t delimiter = 0;
    encoder->write(encoder->context, &delimiter, 1);
}

void blsh_frame_begin(blsh_encoder_t *encoder, uint8_t type, uint16_t sequence, uint16_t length) {
    const uint8_t header[BLSH_FRAME_HEADER_BYTES] = {
        BLSH_PROTOCOL_VERSION,  type, (uint8_t)sequence, (uint8_t)(sequence >> 8), (uint8_t)length,
        (uint8_t)(length >> 8),
    };
    write_delimiter(encoder);
    encoder->crc = 0;
    encoder->used = 1;
    blsh_frame_put(encoder, header, sizeof header);
}

void blsh_frame_put(blsh_encoder_t *encoder, const void *bytes, size_t count) {
    encoder->crc = blsh_crc32(encoder->crc, bytes, count);
    stuff(encoder, bytes, count);
}

void blsh_frame_end(blsh_encoder_t *encoder) {
    const uint32_t crc = encoder->crc;
    uint8_t bytes[BLSH_FRAME_CRC_BYTES];
    memcpy(bytes, &crc, sizeof bytes);
    stuff(encoder, bytes, sizeof bytes);
    close_block(encoder);
    write_delimiter(encoder);
}

void blsh_frame_send(blsh_encoder_t *encoder, uint8_t type, uint16_t sequence, const void *payload, uint16_t length) {
    blsh_frame_begin(encoder, type, sequence, length);
    blsh_frame_put(encoder, payload, length);
    blsh_frame_end(encoder);
}
