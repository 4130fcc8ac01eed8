// SPDX-License-Identifier: Apache-2.0
/* Between the parts of the server; no other file includes this. server.c knows every request and answers what is short;
 * server_stream.c does the hops. */
#ifndef BLSH_SERVER_PARTS_H
#define BLSH_SERVER_PARTS_H

#include "server.h"

/* Where the samples of a HOP begin in `request.samples`, for the core to work on as they came. */
#define BLSH_SAMPLES_AT ((BLSH_FRAME_HEADER_BYTES + BLSH_MSG_HOP_BYTES) / sizeof(int16_t))
_Static_assert(BLSH_SAMPLES_AT % (sizeof(uint32_t) / sizeof(int16_t)) == 0u, "samples lie on words");

#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory") /* no work moves across a reading of the counter */

/* Answer the request at hand. */
void blsh_server_reply(blsh_server_t *server, uint8_t type, const void *payload, size_t bytes);

/* Answer it by ERROR, with the text of `code`; of BAD_FRAME, with that of `detail`. */
void blsh_server_refuse(blsh_server_t *server, uint8_t request_type, uint16_t code, uint32_t detail);

/* Carry out a request whose payload has the right length. */
void blsh_server_reset_stream(blsh_server_t *server, const uint8_t *payload);
void blsh_server_hop(blsh_server_t *server, const uint8_t *payload);

#endif
