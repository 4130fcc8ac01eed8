// SPDX-License-Identifier: Apache-2.0
/* Stage `neighbours`: the K entries nearest to a code, by (distance, index), exactly. firmware/bench/plain_scan.c says
 * the same in thirty lines, one entry after the other. This file does less work for the same answer.
 *
 * The layout. 32 entries make a block, and a block is bit-sliced: bit j of each of its words belongs to entry j. Z
 * words hold the number of zeros of each code in binary, the lowest bit first. L words hold the codes. One word is 0.
 * Here are four entries of 8 bits, so L = 8 and Z = 6. Of each word the lowest four bits are shown, entry 0 on the
 * left:
 *
 *     code of entry 0   1 0 1 1 0 0 1 0   4 zeros        word 0   0 0 0 1   number of zeros, bit 0
 *             entry 1   1 1 1 1 0 0 0 0   4 zeros        word 1   0 0 0 1   bit 1
 *             entry 2   0 0 1 1 0 0 1 1   4 zeros        word 2   1 1 1 0   bit 2
 *             entry 3   1 0 1 1 0 1 1 0   3 zeros        ...      0 0 0 0   bits 3 to 5
 *                                                        word 6   1 1 0 1   bit 0 of the codes
 *     searched code     1 0 1 0 0 0 0 0                  word 7   0 1 0 0   bit 1
 *                                                        word 8   1 1 1 1   bit 2
 *                                                        ...                bits 3 to 7
 *                                                        word 14  0 0 0 0   fills up the last step of eight words
 *
 * The identity. Let the searched code have n ones, and an entry z zeros, and let s be the number of places where both
 * have a one. Then their distance is n + L - (z + 2 s). So only the words are added up where the searched code is one,
 * here words 6 and 8, for all entries at once. z + 2 s is 8, 8, 6 and 7, and the distances are 2 + 8 less that: 2, 2, 4
 * and 3. If most bits of the searched code are ones, the words are added up where it is zero. With s of the entry's
 * ones there, the distance is z + 2 s - (L - n). At most half of the words of the codes are read either way.
 *
 * The order. The dictionary has a centre and a radius for each block. The distance from the searched code to the
 * centre, less the radius, is a lower bound for the block. Centres are sliced as codes are, so 32 blocks are bounded at
 * once. Blocks are visited from the smallest bound up, until the bound passes the K-th distance found. The order
 * changes the speed and never the result: a neighbour gives way only to a smaller (distance, index). */
#include <stddef.h>

#include "arch/blsh_bits.h"
#include "arch/blsh_count.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

#define GROUPS      4u  /* groups of 32 blocks that are bounded together: 4 096 entries */
#define COARSE_BITS 3u  /* lowest bits of a bound that do not order the blocks */
#define INDEX_BITS  23u /* a neighbour is one number, distance << INDEX_BITS | index: smaller is nearer */
#define INDEX_TOP   ((UINT32_C(1) << INDEX_BITS) - 1u)
#define SUM_BITS    (BLSH_ZERO_BITS_LONG + 1u) /* bits of z + 2 s, at most */

_Static_assert(BLSH_MAX_ENTRIES <= 1u << INDEX_BITS && BLSH_MAX_BITS < 1u << (32u - INDEX_BITS), "fits 32 bits");
_Static_assert(BLSH_LONG_CODE_BITS <= 1u << BLSH_ZERO_BITS_SHORT && BLSH_MAX_BITS < 1u << BLSH_ZERO_BITS_LONG,
               "zeros fit");

/* The code that is searched for. */
typedef struct {
    const uint32_t *plane; /* the words to be added up: how many bytes behind the beginning of a block each lies */
    unsigned steps;        /* how often BLSH_STEP_PLANES of them are added */
    uint32_t nearer_more; /* all ones where the code's ones are added up, because a larger sum is nearer then; else 0 */
    uint32_t base;        /* the limit of the sums for a distance of 0 */
} query_t;

/* The K nearest entries so far, as numbers, the nearest first. */
typedef struct {
    uint32_t *first, *last;
    uint32_t *end; /* where the next one goes; `last` once there are K */
} ranking_t;

typedef struct {
    const blsh_model_t *model;
    query_t query;
    unsigned zero_bits;                  /* Z */
    unsigned planes;                     /* words of a block */
    const uint32_t *dictionary, *bounds; /* planes and bounds of the dictionary that is searched */
    const uint32_t *rows;                /* the first block of the groups that are bounded together */
    uint32_t first;                      /* the first entry of that block */
    uint32_t top;                        /* INDEX_TOP less `first` */
    ranking_t ranking;
} search_t;

/* Bounds of the distances of up to GROUPS * 32 blocks: R more than the bound, bit-sliced, a word for each group. */
typedef struct {
    uint32_t bit[SUM_BITS][GROUPS];
    uint32_t left[GROUPS]; /* the blocks that are not yet visited */
} bounds_t;

/* The sums of a visit: z + 2 s of 32 entries, or of 128 with Helium, bit-sliced; then their distances. */
typedef struct {
    blsh_lanes_t bit[SUM_BITS];
} sums_t;

static inline uint32_t lowest_ones(uint32_t count) { return (UINT32_C(1) << count) - 1u; } /* count < 32 */

/* ---- count: z + 2 s ---------------------------------------------------------------------------------------------- */

/* Counts the rows `at`, zero_bits + 1 bits of each sum. Returns which sums are below `limit`. `zero_bits` is a constant
 * where this is called. */
BLSH_ALWAYS_INLINE blsh_lanes_t count(const query_t *query, blsh_cursor_t at, uint32_t limit, sums_t *sums,
                                      unsigned zero_bits) {
    blsh_lanes_t bit[SUM_BITS];                                     /* in registers */
    blsh_lanes_t *const carries = sums->bit + BLSH_ZERO_BITS_SHORT; /* of a short code the last bits are not used */
    blsh_count_early(bit, zero_bits, at, query->plane, query->steps, carries);
    blsh_lanes_t below = blsh_none();
    BLSH_UNROLL(16)
    for (unsigned level = 0; level <= zero_bits; level++) {
        if (level == BLSH_EARLY_BITS) {
            blsh_count_late(bit, zero_bits, at, carries);
        }
        sums->bit[level] = bit[level];
        below = (limit >> level & 1u) != 0u ? below | ~bit[level] : below & ~bit[level];
    }
    return below;
}

BLSH_NEVER_INLINE blsh_lanes_t count_short(const query_t *query, blsh_cursor_t at, uint32_t limit, sums_t *sums) {
    return count(query, at, limit, sums, BLSH_ZERO_BITS_SHORT);
}

BLSH_NEVER_INLINE blsh_lanes_t count_long(const query_t *query, blsh_cursor_t at, uint32_t limit, sums_t *sums) {
    return count(query, at, limit, sums, BLSH_ZERO_BITS_LONG);
}

static inline blsh_lanes_t count_rows(const search_t *search, blsh_cursor_t at, uint32_t limit, sums_t *sums) {
    return search->zero_bits == BLSH_ZERO_BITS_SHORT ? count_short(&search->query, at, limit, sums)
                                                     : count_long(&search->query, at, limit, sums);
}

/* Nearer than `distance` are the entries whose sum is below this, or with `nearer_more` not below it. */
static inline uint32_t limit_of(const query_t *query, uint32_t distance) {
    return query->base + (distance ^ query->nearer_more);
}

/* ---- measure: distances from sums -------------------------------------------------------------------------------- */

/* Replaces each sum by its distance minus the distance whose limit is `limit`: the lowest `levels` bits of that. */
static inline void measure(const query_t *query, sums_t *sums, unsigned levels, uint32_t limit) {
    blsh_lanes_t carry = blsh_none(), *bit = sums->bit;
    uint32_t added = 0u - limit;
    do {
        const blsh_lanes_t sum = *bit ^ carry;
        if ((added & 1u) != 0u) {
            carry |= *bit;
            *bit = sum ^ ~query->nearer_more;
        } else {
            carry &= *bit;
            *bit = sum ^ query->nearer_more;
        }
        bit++;
        added >>= 1;
    } while (--levels != 0u);
}

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

/* ---- rank: small dictionaries ------------------------------------------------------------------------------------ */

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

/* Appends entries at one distance, whose number is `first` for entry 0, until there are K. */
static inline bool append(ranking_t *ranking, uint32_t first, const uint32_t *set, unsigned words) {
    for (unsigned i = 0; i < words; i++, first += BLSH_BLOCK) {
        for (uint32_t left = set[i]; left != 0u; left &= left - 1u) {
            *ranking->end = first + blsh_lowest_one(left);
            if (ranking->end++ == ranking->last) {
                return true;
            }
        }
    }
    return false;
}

/* Where most entries are neighbours, or nearly: measures all, and goes through their distances from the least up, as
 * through a tree whose branches are the bits of a distance, the highest at the root. Nothing is ever moved. */
BLSH_NEVER_INLINE void rank_all(search_t *search, uint32_t blocks) {
    uint32_t bit[SUM_BITS][GROUPS], later[SUM_BITS][GROUPS], set[GROUPS];
    const unsigned words = (blocks + BLSH_LANES - 1u) / BLSH_LANES * BLSH_LANES;
    uint32_t open = 0, distance = 0, left = search->model->entries; /* open: the levels that left something */
    unsigned level = search->zero_bits + 1u;
    measure_blocks(search, blocks, bit);
    for (unsigned i = 0; i < words; i++) {
        set[i] = left < BLSH_BLOCK ? lowest_ones(left) : UINT32_MAX;
        left -= left < BLSH_BLOCK ? left : BLSH_BLOCK;
    }
    for (;;) {
        while (level > 0u) {
            bool ones = false;
            level--;
            if (!split(set, bit[level], later[level], words, &ones)) {
                distance |= UINT32_C(1) << level;
            } else if (ones) {
                open |= UINT32_C(1) << level;
            }
        }
        if (append(&search->ranking, distance << INDEX_BITS, set, words)) {
            return;
        }
        level = blsh_lowest_one(open); /* there is one: not all entries were appended */
        open &= open - 1u;
        distance = (distance >> level | 1u) << level;
        for (unsigned i = 0; i < words; i++) {
            set[i] = later[level][i];
        }
    }
}

/* ---- query: which planes a code wants ---------------------------------------------------------------------------- */

/* Chooses the planes to be added up, into `plane`, and fills them up to whole steps with the plane of zeros. */
static void read_code(query_t *query, const uint32_t *code, unsigned bits, uint32_t *plane) {
    const unsigned zero_bits = BLSH_ZERO_BITS(bits);
    unsigned ones = 0;
    for (unsigned word = 0; 32u * word < bits; word++) {
        ones += blsh_count_ones(code[word]);
    }
    query->nearer_more = 2u * ones <= bits ? UINT32_MAX : 0u;
    query->base = query->nearer_more != 0u ? ones + bits + 2u : bits - ones;
    const unsigned counted = query->nearer_more != 0u ? ones : bits - ones;
    query->plane = plane;
    unsigned next = zero_bits;
    for (unsigned left = bits; left > 0u; next += 32u) {
        uint32_t word = *code++ ^ ~query->nearer_more;
        if (left < 32u) {
            word &= lowest_ones(left);
        }
        for (; word != 0u; word &= word - 1u) {
            *plane++ = 4u * (next + blsh_lowest_one(word));
        }
        left -= left < 32u ? left : 32u;
    }
    query->steps = counted == 0u ? 1u : (counted + BLSH_STEP_PLANES - 1u) / BLSH_STEP_PLANES;
    while (plane < query->plane + BLSH_STEP_PLANES * query->steps) {
        *plane++ = 4u * (zero_bits + bits);
    }
}

/* Finds the K nearest of the dictionary that `search` is at. */
static void search_dictionary(search_t *search, uint32_t *ranking, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    search->ranking = (ranking_t){.first = ranking, .last = ranking + model->neighbours - 1u, .end = ranking};
    if (model->vote != NULL && blocks <= GROUPS) {
        rank_all(search, blocks);
        return;
    }
    *search->ranking.last = ((uint32_t)model->bits << INDEX_BITS) + INDEX_TOP; /* behind all entries */
    for (uint32_t group = 0; BLSH_BLOCK * group < blocks; group += GROUPS) {
        search_groups(search, group, blocks);
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

void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *counted_plane,
                       blsh_neighbour_t *found) {
    const uint32_t blocks = (model->entries + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    const uint32_t groups = (blocks + BLSH_BLOCK - 1u) / BLSH_BLOCK;
    uint32_t *ranking = (uint32_t *)found;
    search_t search;
    search.model = model;
    search.planes = BLSH_PLANES((unsigned)model->bits);
    search.zero_bits = BLSH_ZERO_BITS(model->bits);
    search.dictionary = model->planes;
    search.bounds = model->bounds;
    read_code(&search.query, code, model->bits, counted_plane);
    for (unsigned dictionary = 0; dictionary < model->dictionaries; dictionary++) {
        search_dictionary(&search, ranking, blocks);
        ranking += model->neighbours;
        search.dictionary += blocks * search.planes;
        search.bounds += groups * ((unsigned)blsh_bit_length(model->radius) + search.planes);
    }
    number_neighbours(model, found);
}

void blsh_find_neighbours(blsh_state_t *state) {
    _Static_assert(offsetof(blsh_state_t, voted.neighbour) == offsetof(blsh_state_t, searched.ranking),
                   "the ranking is where the neighbours will be");
    blsh_find_nearest(state->model, state->code, state->searched.counted_plane, state->voted.neighbour);
}
