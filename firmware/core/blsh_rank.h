// SPDX-License-Identifier: Apache-2.0
/* The search of small dictionaries, for blsh_search.c: most of their entries are neighbours, or nearly, so that bounds
 * would leave no block out. All entries are measured, and put in order by going through the bits of their
 * distances. */
#ifndef BLSH_RANK_H
#define BLSH_RANK_H

#include "blsh_distance.h"

_Static_assert(BLSH_RANK_WORDS == 0u || BLSH_RANK_WORDS == SUM_BITS * GROUPS, "room for the entries that wait");
_Static_assert(BLSH_SMALL_ENTRIES == GROUPS * BLSH_BLOCK, "the blocks of a small dictionary are measured together");

/* The distances of all entries of up to GROUPS blocks, bit-sliced, a word for each block. */
static void measure_blocks(const search_t *search, uint32_t blocks, uint32_t bit[SUM_BITS][GROUPS]) {
    const uint32_t limit = limit_of(&search->query, 0u);
    for (unsigned lane = 0; lane < blocks; lane += BLSH_LANES) {
        uint32_t row[BLSH_LANES];
        for (unsigned i = 0; i < BLSH_LANES; i++) {
            row[i] = lane + i < blocks ? lane + i : lane;
        }
        sums_t sums;
        (void)count_rows(search, blsh_rows(search->dictionary, search->planes, blsh_load_lanes(row)), limit, &sums);
        measure(&search->query, &sums, search->zero_bits + 1u, limit);
        for (unsigned level = 0; level <= search->zero_bits; level++) {
            blsh_store_lanes(&bit[level][lane], sums.bit[level]);
        }
    }
}

/* Entries that have a 0 in one bit of their distance leave those that have a 1 to be gone through later. Returns
 * whether there are any with a 0, and in `ones` whether there are any with a 1; without a 0 nothing changes. */
static inline bool split(uint32_t *set, const uint32_t *bit, uint32_t *later, unsigned words, bool *ones) {
    blsh_lanes_t zero = blsh_none(), one = blsh_none();
    for (unsigned i = 0; i < words; i += BLSH_LANES) {
        zero |= blsh_load_lanes(set + i) & ~blsh_load_lanes(bit + i);
    }
    if (!blsh_any_set(zero)) {
        return false;
    }
    for (unsigned i = 0; i < words; i += BLSH_LANES) {
        const blsh_lanes_t before = blsh_load_lanes(set + i), after = before & ~blsh_load_lanes(bit + i);
        one |= before ^ after;
        blsh_store_lanes(later + i, before ^ after);
        blsh_store_lanes(set + i, after);
    }
    *ones = blsh_any_set(one);
    return true;
}

/* Appends entries at one distance, whose number is `number` for the first of them, until there are K. */
static inline bool append(ranking_t *ranking, uint32_t number, const uint32_t *set, unsigned blocks) {
    for (unsigned i = 0; i < blocks; i++, number += BLSH_BLOCK) {
        for (uint32_t left = set[i]; left != 0u; left &= left - 1u) {
            *ranking->end = number + blsh_lowest_one(left);
            if (ranking->end++ == ranking->last) {
                return true;
            }
        }
    }
    return false;
}

/* Goes through the distances of a dictionary's entries from the least up, as through a tree whose branches are the bits
 * of a distance, the highest at the root. The words of its blocks begin at `first`. */
static void rank(search_t *search, uint32_t bit[SUM_BITS][GROUPS], unsigned first, uint32_t blocks) {
    const unsigned from = first / BLSH_LANES * BLSH_LANES;
    const unsigned words = (first + blocks - from + BLSH_LANES - 1u) / BLSH_LANES * BLSH_LANES;
    uint32_t (*const later)[GROUPS] = search->later, set[GROUPS] = {0};
    uint32_t open = 0, distance = 0, left = search->model->entries; /* open: the levels that left something */
    unsigned level = search->zero_bits + 1u;
    for (unsigned i = first - from; left != 0u; i++) {
        set[i] = left < BLSH_BLOCK ? lowest_ones(left) : UINT32_MAX;
        left -= left < BLSH_BLOCK ? left : BLSH_BLOCK;
    }
    for (;;) {
        while (level > 0u) {
            bool ones = false;
            level--;
            if (!split(set, &bit[level][from], later[level], words, &ones)) {
                distance |= UINT32_C(1) << level;
            } else if (ones) {
                open |= UINT32_C(1) << level;
            }
        }
        if (append(&search->ranking, distance << INDEX_BITS, set + (first - from), blocks)) {
            return;
        }
        level = blsh_lowest_one(open); /* there is one: not all entries were appended */
        open &= open - 1u;
        distance = (distance >> level | 1u) << level;
        for (unsigned i = 0; i < words; i += BLSH_LANES) {
            blsh_store_lanes(set + i, blsh_load_lanes(&later[level][i]));
        }
    }
}

/* Dictionaries so small that most of their entries are neighbours, or nearly. All of their entries are measured, those
 * of up to GROUPS blocks at a time. */
BLSH_NEVER_INLINE void rank_dictionaries(search_t *search, uint32_t *ranking, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    const unsigned at_once = GROUPS / blocks;
    uint32_t bit[SUM_BITS][GROUPS];
    for (unsigned left = model->dictionaries; left > 0u;) {
        const unsigned count = left < at_once ? left : at_once;
        measure_blocks(search, count * blocks, bit);
        for (unsigned i = 0; i < count; i++) {
            begin_ranking(search, ranking);
            rank(search, bit, i * blocks, blocks);
            ranking += model->neighbours;
        }
        search->dictionary += count * blocks * search->planes;
        left -= count;
    }
}

#endif
