// SPDX-License-Identifier: Apache-2.0
#include "plain_scan.h"

/* Cortex-M0 to M7 have no such instruction, and the compiler's builtin is a library call there. */
static inline uint32_t count_ones(uint32_t word) {
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0fu;
    return word * 0x01010101u >> 24;
}

/* Entries come in index order, so behind all that are as near keeps (distance, index) sorted. */
static void insert(blsh_neighbour_t *list, unsigned length, blsh_neighbour_t found) {
    unsigned slot = length;
    for (; slot > 0u && list[slot - 1u].distance > found.distance; slot--) {
        list[slot] = list[slot - 1u];
    }
    list[slot] = found;
}

void plain_scan(const uint32_t *codes, uint32_t entries, unsigned words, const uint32_t *code, unsigned wanted,
                blsh_neighbour_t *found) {
    unsigned held = 0;
    for (uint32_t index = 0; index < entries; index++, codes += words) {
        blsh_neighbour_t entry = {index, 0};
        for (unsigned word = 0; word < words; word++) {
            entry.distance += count_ones(codes[word] ^ code[word]);
        }
        if (held < wanted) {
            insert(found, held++, entry);
        } else if (entry.distance < found[wanted - 1u].distance) {
            insert(found, wanted - 1u, entry); /* the last, worst one falls off */
        }
    }
}
