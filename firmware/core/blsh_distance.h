// SPDX-License-Identifier: Apache-2.0
/* Distances of a code from the entries of blocks, for blsh_search.c.
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
 * ones there, the distance is z + 2 s - (L - n). At most half of the words of the codes are read either way. */
#ifndef BLSH_DISTANCE_H
#define BLSH_DISTANCE_H

#include "arch/blsh_bits.h"
#include "arch/blsh_count.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

#define GROUPS     4u  /* groups of 32 blocks that are bounded together: 4 096 entries */
#define INDEX_BITS 23u /* a neighbour is one number, distance << INDEX_BITS | index: smaller is nearer */
#define INDEX_TOP  ((UINT32_C(1) << INDEX_BITS) - 1u)
#define SUM_BITS   (BLSH_ZERO_BITS_LONG + 1u) /* bits of z + 2 s, at most */

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
    uint32_t (*later)[GROUPS];           /* of small dictionaries: the entries that each bit of a distance left */
    const uint32_t *rows;                /* the first block of the groups that are bounded together */
    uint32_t first;                      /* the first entry of that block */
    uint32_t top;                        /* INDEX_TOP less `first` */
    ranking_t ranking;
} search_t;

/* The sums of a visit: z + 2 s of 32 entries, or of 128 with Helium, bit-sliced; then their distances. */
typedef struct {
    blsh_lanes_t bit[SUM_BITS];
} sums_t;

static inline void begin_ranking(search_t *search, uint32_t *ranking) {
    search->ranking = (ranking_t){ranking, ranking + search->model->neighbours - 1u, ranking};
}

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

#endif
