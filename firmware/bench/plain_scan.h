// SPDX-License-Identifier: Apache-2.0
/* The plain search, against which the core's is measured and tested. */
#ifndef PLAIN_SCAN_H
#define PLAIN_SCAN_H

#include "blsh.h"

/* The `wanted` entries nearest to `code`, by (distance, index), of codes [entries][words] (bit l: bit l % 32 of word
 * l / 32), one entry after the other. */
void plain_scan(const uint32_t *codes, uint32_t entries, unsigned words, const uint32_t *code, unsigned wanted,
                blsh_neighbour_t *found);

#endif
