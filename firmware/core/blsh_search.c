// SPDX-License-Identifier: Apache-2.0
/* Stage `neighbours`: the K entries nearest to a code, by (distance, index), exactly. firmware/bench/plain_scan.c says
 * the same in thirty lines, one entry after the other. This file does less work for the same answer.
 * blsh_distance.h has the layout of a dictionary, and how distances are counted.
 *
 * The order. The dictionary has a centre and a radius for each block. The distance from the searched code to the
 * centre, less the radius, is a lower bound for the block. Centres are sliced as codes are, so 32 blocks are bounded at
 * once. Blocks are visited from the smallest bound up, until the bound passes the K-th distance found. The order
 * changes the speed and never the result: a neighbour gives way only to a smaller (distance, index). */
#include <stddef.h>

#include "blsh_rank.h"

#define COARSE_BITS 3u /* lowest bits of a bound that do not order the blocks */

/* Bounds of the distances of up to GROUPS * 32 blocks: R more than the bound, bit-sliced, a word for each group. */
typedef struct {
    uint32_t bit[SUM_BITS][GROUPS];
    uint32_t left[GROUPS]; /* the blocks that are not yet visited */
} bounds_t;

/* ---- take: near entries into the ranking ------------------------------------------------------------------------- */

/* Puts `number` in its place; the farthest falls off. */
static inline void insert(ranking_t *ranking, uint32_t number) {
    uint32_t *slot = ranking->end;
    if (slot < ranking->last) {
        ranking->end = slot + 1;
    }
    for (; slot > ranking->first && slot[-1] > number; slot--) {
        slot[0] = slot[-1];
    }
    *slot = number;
}

/* The entries in `set` of a block into the ranking, as long as they are nearer than its last; `first` is the number of
 * the block's first entry at their distance. */
static void insert_all(ranking_t *ranking, uint32_t first, uint32_t set) {
    do {
        const uint32_t number = first + blsh_lowest_one(set);
        if (number >= *ranking->last) {
            return;
        }
        insert(ranking, number);
        set &= set - 1u;
    } while (set != 0u);
}

/* The entries in `left` of blocks, one in each lane, nearest first, into the ranking. They are nearer than `distance`,
 * whose limit is `limit`, so the lowest bits of the difference tell them apart. */
BLSH_NEVER_INLINE void take(search_t *search, const uint8_t *block, blsh_lanes_t left, sums_t *sums, uint32_t distance,
                            uint32_t limit) {
    ranking_t *const ranking = &search->ranking;
    const unsigned levels = (unsigned)blsh_bit_length(*ranking->last >> INDEX_BITS | 1u);
    measure(&search->query, sums, levels, limit);
    distance -= UINT32_C(1) << levels;
    do {
        uint32_t nearest, found[BLSH_LANES];
        const blsh_lanes_t least = blsh_least_of(left, (const uint32_t *)(sums->bit + levels - 1), levels, &nearest);
        nearest += distance;
        blsh_store_lanes(found, least);
        left &= ~least;
        BLSH_UNROLL(4)
        for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
            if (found[lane] != 0u) {
                insert_all(ranking, (nearest << INDEX_BITS) + search->first + BLSH_BLOCK * block[lane], found[lane]);
            }
        }
        if (*ranking->last >> INDEX_BITS < nearest + 1u) {
            return;
        }
    } while (blsh_any_set(left));
}

/* Those of the entries in `near` that exist: lanes from `count` on repeat a block, and the last block may be short. */
static blsh_lanes_t existing(const search_t *search, const uint8_t *block, unsigned count, blsh_lanes_t near) {
    const uint32_t entries = search->model->entries;
    uint32_t left[BLSH_LANES];
    blsh_store_lanes(left, near);
    for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
        const uint32_t first = search->first + BLSH_BLOCK * block[lane];
        if (lane >= count) {
            left[lane] = 0;
        } else if (entries - first < BLSH_BLOCK) {
            left[lane] &= lowest_ones(entries - first);
        }
    }
    return blsh_load_lanes(left);
}

/* Searches the next blocks, one in each lane: `count` of them, or as many as there are lanes. A lane beyond repeats
 * one. */
static inline void visit(search_t *search, const uint8_t *block, unsigned count) {
    const blsh_lanes_t blocks = blsh_load_bytes(block);
    /* An entry of the first of the blocks may be as far as the last neighbour, if it comes before that. */
    const uint32_t first = BLSH_BLOCK * blsh_least_lane(blocks);
    const uint32_t distance = (*search->ranking.last + search->top - first) >> INDEX_BITS;
    const uint32_t limit = limit_of(&search->query, distance);
    sums_t sums;
    const blsh_lanes_t below = count_rows(search, blsh_rows(search->rows, search->planes, blocks), limit, &sums);
    blsh_lanes_t near = below ^ search->query.nearer_more;
    if (!blsh_any_set(near)) {
        return;
    }
    if ((BLSH_LANES > 1u && count < BLSH_LANES) || search->model->entries % BLSH_BLOCK != 0u) {
        near = existing(search, block, count, near);
        if (!blsh_any_set(near)) {
            return;
        }
    }
    take(search, block, near, &sums, distance, limit);
}

/* ---- bound: which blocks, and in which order --------------------------------------------------------------------- */

/* R + |code - centre| - radius of each block of four groups: R + a lower bound of its distances. */
static void bound_blocks(const search_t *search, uint32_t group, uint32_t groups, bounds_t *bounds) {
    const blsh_model_t *model = search->model;
    const unsigned slack = (unsigned)blsh_bit_length(model->radius), planes = slack + search->planes;
    for (unsigned lane = 0; lane < GROUPS && group + lane < groups; lane += BLSH_LANES) {
        uint32_t row[BLSH_LANES];
        for (unsigned i = 0; i < BLSH_LANES; i++) {
            row[i] = group + lane + i < groups ? group + lane + i : group;
        }
        const blsh_lanes_t rows = blsh_load_lanes(row);
        blsh_cursor_t at = blsh_rows(search->bounds, planes, rows);
        blsh_lanes_t carry = blsh_none();
        sums_t sums;
        const uint32_t limit = limit_of(&search->query, 0u);
        (void)count_rows(search, blsh_rows(search->bounds + slack, planes, rows), limit, &sums);
        measure(&search->query, &sums, search->zero_bits + 1u, limit);
        for (unsigned level = 0; level <= search->zero_bits; level++) {
            blsh_lanes_t sum = sums.bit[level];
            carry = level < slack ? blsh_full_add(&sum, blsh_read(at, 4u * level), carry) : blsh_half_add(&sum, carry);
            blsh_store_lanes(&bounds->bit[level][lane], sum);
        }
    }
}

/* Finds, of the blocks that are left, those whose bounds are least, but for their lowest bits; returns these bounds. */
static uint32_t least_bound(const bounds_t *bounds, unsigned zero_bits, uint32_t least[GROUPS]) {
    return blsh_least_of_four(bounds->left, bounds->bit[zero_bits], zero_bits + 1u - COARSE_BITS, least) << COARSE_BITS;
}

/* Finds, of the blocks that are left, those whose bounds are below `edge`, or at it and before the entry `index`.
 * `first` is the first entry of the groups. */
static void within(const bounds_t *bounds, unsigned zero_bits, uint32_t edge, uint32_t first, uint32_t index,
                   uint32_t near[GROUPS]) {
    for (unsigned i = 0; i < GROUPS; i++, first += BLSH_BLOCK * BLSH_BLOCK) {
        const uint32_t before = index > first ? (index - first + BLSH_BLOCK - 1u) / BLSH_BLOCK : 0u;
        near[i] = before < BLSH_BLOCK ? lowest_ones(before) : UINT32_MAX;
    }
    for (unsigned i = 0; i < GROUPS; i += BLSH_LANES) {
        blsh_lanes_t not_above = blsh_load_lanes(near + i);
        for (unsigned level = 0; level <= zero_bits; level++) {
            const blsh_lanes_t below = ~blsh_load_lanes(bounds->bit[level] + i);
            not_above = (edge >> level & 1u) != 0u ? not_above | below : not_above & below;
        }
        blsh_store_lanes(near + i, not_above & blsh_load_lanes(bounds->left + i));
    }
}

/* Up to four groups of blocks from `group` on. */
BLSH_NEVER_INLINE void search_groups(search_t *search, uint32_t group, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    bounds_t bounds;
    uint32_t near[GROUPS];
    uint8_t block[GROUPS * BLSH_BLOCK + BLSH_LANES], *end = block; /* in the order of their visits */
    const uint8_t *next = block;
    bool last = false;
    search->first = BLSH_BLOCK * BLSH_BLOCK * group;
    search->top = INDEX_TOP - search->first;
    search->rows = search->dictionary + BLSH_BLOCK * group * search->planes;
    bound_blocks(search, group, (blocks + BLSH_BLOCK - 1u) / BLSH_BLOCK, &bounds);
    for (unsigned i = 0; i < GROUPS; i++) {
        const uint32_t first = BLSH_BLOCK * (group + i);
        const uint32_t count = first < blocks ? blocks - first : 0u;
        bounds.left[i] = count < BLSH_BLOCK ? lowest_ones(count) : UINT32_MAX;
    }
    do {
        const uint32_t nearest = least_bound(&bounds, search->zero_bits, near);
        const uint32_t farthest = *search->ranking.last, edge = model->radius + (farthest >> INDEX_BITS);
        last = nearest + (1u << COARSE_BITS) > edge;
        if (last) {
            within(&bounds, search->zero_bits, edge, search->first, farthest & INDEX_TOP, near);
        }
        for (unsigned i = 0; i < GROUPS; i++) {
            bounds.left[i] &= ~near[i];
            for (uint32_t set = near[i]; set != 0u; set &= set - 1u) {
                *end++ = (uint8_t)(BLSH_BLOCK * i + blsh_lowest_one(set));
            }
        }
        last = last || (bounds.left[0] | bounds.left[1] | bounds.left[2] | bounds.left[3]) == 0u;
        unsigned least = BLSH_LANES; /* blocks of a visit */
        if (BLSH_LANES > 1u && last) {
            least = 1;
            for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
                end[lane] = block[0];
            }
        }
        for (; next + least <= end; next += BLSH_LANES) {
            visit(search, next, (unsigned)(end - next));
        }
    } while (!last);
}

/* Finds the K nearest of each dictionary. */
static void search_dictionaries(search_t *search, uint32_t *ranking, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    const uint32_t groups = (blocks + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    for (unsigned dictionary = 0; dictionary < model->dictionaries; dictionary++) {
        begin_ranking(search, ranking);
        *search->ranking.last = ((uint32_t)model->bits << INDEX_BITS) + INDEX_TOP; /* behind all entries */
        for (uint32_t group = 0; BLSH_BLOCK * group < blocks; group += GROUPS) {
            search_groups(search, group, blocks);
        }
        ranking += model->neighbours;
        search->dictionary += blocks * search->planes;
        search->bounds += groups * ((unsigned)blsh_bit_length(model->radius) + search->planes);
    }
}

/* Numbers become neighbours, in place, which takes twice the room: from the last. */
static void number_neighbours(const blsh_model_t *model, blsh_neighbour_t *found) {
    const uint32_t *const ranking = (const uint32_t *)found;
    unsigned slot = (unsigned)model->dictionaries * model->neighbours;
    for (uint32_t first = model->entries * model->dictionaries; first > 0u;) {
        first -= model->entries;
        for (unsigned n = 0; n < model->neighbours; n++) {
            const uint32_t number = ranking[--slot];
            found[slot] = (blsh_neighbour_t){first + (number & INDEX_TOP), number >> INDEX_BITS};
        }
    }
}

void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *scratch, blsh_neighbour_t *found) {
    const uint32_t blocks = (model->entries + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    search_t search;
    search.model = model;
    search.planes = BLSH_PLANES((unsigned)model->bits);
    search.zero_bits = BLSH_ZERO_BITS(model->bits);
    search.dictionary = model->planes;
    search.bounds = model->bounds;
    search.later = (uint32_t (*)[GROUPS])(void *)(scratch + BLSH_HALF_PLANES((unsigned)model->bits));
    read_code(&search.query, code, model->bits, scratch);
    if (blsh_ranks(model)) {
        rank_dictionaries(&search, (uint32_t *)found, blocks);
    } else {
        search_dictionaries(&search, (uint32_t *)found, blocks);
    }
    number_neighbours(model, found);
}

void blsh_find_neighbours(blsh_state_t *state) {
    _Static_assert(offsetof(blsh_state_t, voted.neighbour) == offsetof(blsh_state_t, searched.ranking),
                   "the ranking is where the neighbours will be");
    blsh_find_nearest(state->model, state->code, state->searched.scratch, state->voted.neighbour);
}
