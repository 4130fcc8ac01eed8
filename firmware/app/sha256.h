// SPDX-License-Identifier: Apache-2.0
/* SHA-256 (FIPS 180-4) of one piece of memory: small rather than quick, for models in flash. */
#ifndef BLSH_SHA256_H
#define BLSH_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define BLSH_SHA256_BYTES 32u

/* Marks functions for a push alone, compiled for size: a second more does not matter there; flash does. */
#define BLSH_RARE __attribute__((cold))

/* `bytes`: below 2^32. */
BLSH_RARE void blsh_sha256(const void *data, size_t bytes, uint8_t digest[BLSH_SHA256_BYTES]);

#endif
