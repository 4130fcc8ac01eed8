#include "blsh_stages.h"

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

void blsh_find_neighbours(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned words = (model->bits + 31u) / 32u;
    const unsigned wanted = model->neighbours;
    const uint32_t *entry = model->codes;
    unsigned held = 0;
    for (uint32_t index = 0; index < model->entries; index++) {
        blsh_neighbour_t found = {index, 0};
        for (unsigned word = 0; word < words; word++) {
            found.distance += count_ones(entry[word] ^ state->code[word]);
        }
        entry += words;
        if (held < wanted) {
            insert(state->neighbour, held++, found);
        } else if (found.distance < state->neighbour[wanted - 1u].distance) {
            insert(state->neighbour, wanted - 1u, found); /* the last, worst one falls off */
        }
    }
}
