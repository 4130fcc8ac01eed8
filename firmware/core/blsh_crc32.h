// SPDX-License-Identifier: Apache-2.0
/* CRC-32/ISO-HDLC (the CRC of zlib, PNG and Ethernet), a piece at a time. */
#ifndef BLSH_CRC32_H
#define BLSH_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continue `crc` (0 to start) over `bytes` bytes at `data`. */
uint32_t blsh_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
