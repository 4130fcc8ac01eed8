/* The K nearest entries, exactly, in a bit-sliced dictionary: each bit of a word is an entry, and 32 distances (128
 * with Helium) are counted at once. Of a code with n ones among L bits, an entry with z zeros, s of its ones where the
 * code has ones, is at distance n + L - (z + 2 s); s of them where the code has zeros instead, at z + 2 s - (L - n). So
 * the planes where the code has what it has less of are enough, beside the number of zeros of each entry, which the
 * dictionary holds.
 * Blocks of 32 entries are visited from the smallest lower bound of their distances up, until that bound passes the
 * K-th distance found. What is found does not depend on it: a neighbour gives way only to a smaller (distance,
 * index). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns") /* it would read ahead more than there are registers for, and store that */
#endif
#include "blsh_fixed.h"
#include "blsh_planes.h"
#include "blsh_stages.h"

#define ENTRIES 32u    /* of a block, and blocks of a group */
#define GROUPS 4u      /* bounded at once: 4 096 entries */
#define NARROW 6u      /* bits of the number of zeros, of short codes */
#define WIDE 9u        /* and of long ones */
#define COARSE 3u      /* lowest bits of a bound that do not order the blocks */
#define INDEX_BITS 23u /* a neighbour is one number, distance << INDEX_BITS | index: smaller is nearer */
#define INDEX_TOP ((UINT32_C(1) << INDEX_BITS) - 1u)

_Static_assert(BLSH_MAX_ENTRIES <= 1u << INDEX_BITS && BLSH_MAX_BITS < 1u << (32u - INDEX_BITS), "fits 32 bits");
_Static_assert(BLSH_ZERO_BITS(63u) == NARROW && BLSH_ZERO_BITS(64u) == WIDE && BLSH_MAX_BITS < 1u << WIDE, "zeros fit");

typedef struct {
    const blsh_model_t *model;
    const uint32_t *place; /* the planes to be counted: where they lie in a row, in bytes */
    unsigned steps;        /* of so many planes at once */
    unsigned planes;       /* of a block */
    unsigned levels;       /* of these, that hold the number of zeros of each entry; those of its code follow */
    uint32_t turn;         /* all ones where the ones of the code are counted, none where its zeros are */
    uint32_t base;         /* of the limits for each distance */
    const uint32_t *rows;  /* of the blocks that are bounded together */
    uint32_t first;        /* entry of these */
    uint32_t top;          /* INDEX_TOP less that */
    blsh_neighbour_t *near, *last; /* the K nearest, nearest first, as such numbers, each in `index` */
    blsh_neighbour_t *end;         /* of those found so far */
} search_t;

/* Counts z + 2 s of the entries in rows `at`, bit-sliced, levels + 1 bits, into `value`. Returns which are below
 * `limit`. `levels` is a constant where this is called. */
static inline __attribute__((always_inline)) blsh_lanes_t count(const search_t *search, blsh_cursor_t at,
                                                                uint32_t limit, blsh_lanes_t *value, unsigned levels) {
    blsh_lanes_t sum[WIDE + 1u];
    blsh_count_early(sum, levels, at, search->place, search->steps, value + NARROW);
    blsh_lanes_t below = blsh_none();
    BLSH_UNROLL(16)
    for (unsigned level = 0; level <= levels; level++) {
        if (level == BLSH_EARLY) {
            blsh_count_late(sum, levels, at, value + NARROW);
        }
        value[level] = sum[level];
        below = (limit >> level & 1u) != 0u ? below | ~sum[level] : below & ~sum[level];
    }
    return below;
}

__attribute__((noinline)) static blsh_lanes_t count_narrow(const search_t *search, blsh_cursor_t at, uint32_t limit,
                                                           blsh_lanes_t *value) {
    return count(search, at, limit, value, NARROW);
}

__attribute__((noinline)) static blsh_lanes_t count_wide(const search_t *search, blsh_cursor_t at, uint32_t limit,
                                                         blsh_lanes_t *value) {
    return count(search, at, limit, value, WIDE);
}

static inline blsh_lanes_t count_row(const search_t *search, blsh_cursor_t at, uint32_t limit, blsh_lanes_t *value) {
    return search->levels == NARROW ? count_narrow(search, at, limit, value) : count_wide(search, at, limit, value);
}

/* Nearer than `distance` are the entries of which less than this is counted, or with `turn` not less. */
static inline uint32_t limit_of(const search_t *search, uint32_t distance) {
    return search->base + (distance ^ search->turn);
}

/* Makes of what was counted how much farther than the distance of `limit` entries are: the lowest `levels` bits. */
static inline void measure(const search_t *search, blsh_lanes_t *value, unsigned levels, uint32_t limit) {
    blsh_lanes_t carry = blsh_none();
    uint32_t added = 0u - limit;
    do {
        const blsh_lanes_t sum = *value ^ carry;
        if ((added & 1u) != 0u) {
            carry |= *value;
            *value = sum ^ ~search->turn;
        } else {
            carry &= *value;
            *value = sum ^ search->turn;
        }
        value++;
        added >>= 1;
    } while (--levels != 0u);
}

/* Puts `entry` in its place; the farthest falls off. */
static inline void insert(search_t *search, uint32_t entry) {
    blsh_neighbour_t *slot = search->end;
    if (slot < search->last) {
        search->end = slot + 1;
    }
    for (; slot > search->near && slot[-1].index > entry; slot--) {
        slot[0].index = slot[-1].index;
    }
    slot->index = entry;
}

/* Those of the numbers in `set` that are least, and how large they are. `top` is their highest plane of `levels`. */
static inline blsh_lanes_t least_of(blsh_lanes_t set, const uint32_t *top, unsigned levels, uint32_t *number) {
    uint32_t value = 0;
    do {
        const blsh_lanes_t less = set & ~blsh_load_lanes(top);
        top -= BLSH_LANES;
        value <<= 1;
        if (blsh_any_set(less)) {
            set = less;
        } else {
            value |= 1u;
        }
    } while (--levels != 0u);
    *number = value;
    return set;
}

/* The entries in `set` of a block into the list, as long as they are nearer than its last; `first` is what the block's
 * first entry would be there. */
static void insert_all(search_t *search, uint32_t first, uint32_t set) {
    do {
        const uint32_t entry = first + blsh_lowest_one(set);
        if (entry >= search->last->index) {
            return;
        }
        insert(search, entry);
        set &= set - 1u;
    } while (set != 0u);
}

/* The entries in `left` of blocks, one in each lane, nearest first, into the list. They are nearer than `distance`,
 * whose count is `limit`, so the lowest bits of what is between tell them apart. */
__attribute__((noinline)) static void take(search_t *search, const uint8_t *block, blsh_lanes_t left,
                                           blsh_lanes_t *value, uint32_t distance, uint32_t limit) {
    const unsigned levels = (unsigned)blsh_bit_length(search->last->index >> INDEX_BITS | 1u);
    measure(search, value, levels, limit);
    distance -= UINT32_C(1) << levels;
    do {
        uint32_t number, found[BLSH_LANES];
        const blsh_lanes_t least = least_of(left, (const uint32_t *)(value + levels - 1), levels, &number);
        number += distance;
        blsh_store_lanes(found, least);
        left &= ~least;
        BLSH_UNROLL(4)
        for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
            if (found[lane] != 0u) {
                insert_all(search, (number << INDEX_BITS) + search->first + ENTRIES * block[lane], found[lane]);
            }
        }
        if (search->last->index >> INDEX_BITS < number + 1u) {
            return;
        }
    } while (blsh_any_set(left));
}

/* Those of the entries in `near` that exist: lanes from `count` on repeat a block, and the last may be short. */
static blsh_lanes_t existing(const search_t *search, const uint8_t *block, unsigned count, blsh_lanes_t near) {
    const uint32_t entries = search->model->entries;
    uint32_t left[BLSH_LANES];
    blsh_store_lanes(left, near);
    for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
        const uint32_t first = search->first + ENTRIES * block[lane];
        if (lane >= count) {
            left[lane] = 0;
        } else if (entries - first < ENTRIES) {
            left[lane] &= (UINT32_C(1) << (entries - first)) - 1u;
        }
    }
    return blsh_load_lanes(left);
}

/* Searches the next blocks, one in each lane; of `count`, or all lanes. What is beyond repeats a block. */
static inline void visit(search_t *search, const uint8_t *block, unsigned count) {
    const blsh_lanes_t blocks = blsh_load_bytes(block);
    /* entries of the first of the blocks may be as far as the last neighbour, before which they are */
    const uint32_t distance = (search->last->index + search->top - ENTRIES * blsh_least_lane(blocks)) >> INDEX_BITS;
    const uint32_t limit = limit_of(search, distance);
    blsh_lanes_t value[WIDE + 1u];
    blsh_lanes_t near = count_row(search, blsh_rows(search->rows, search->planes, blocks), limit, value) ^ search->turn;
    if (!blsh_any_set(near)) {
        return;
    }
    if ((BLSH_LANES > 1u && count < BLSH_LANES) || search->model->entries % ENTRIES != 0u) {
        near = existing(search, block, count, near);
        if (!blsh_any_set(near)) {
            return;
        }
    }
    take(search, block, near, value, distance, limit);
}

/* R + |code - centre| - radius of each block of four groups, bit-sliced: R + a lower bound of its distances. */
static void bound_blocks(const search_t *search, uint32_t group, uint32_t groups, uint32_t bound[WIDE + 1u][GROUPS]) {
    const blsh_model_t *model = search->model;
    const unsigned slack = (unsigned)blsh_bit_length(model->radius), planes = slack + search->planes;
    for (unsigned lane = 0; lane < GROUPS && group + lane < groups; lane += BLSH_LANES) {
        uint32_t row[BLSH_LANES];
        for (unsigned i = 0; i < BLSH_LANES; i++) {
            row[i] = group + lane + i < groups ? group + lane + i : group;
        }
        const blsh_lanes_t rows = blsh_load_lanes(row);
        blsh_cursor_t at = blsh_rows(model->bounds, planes, rows);
        blsh_lanes_t value[WIDE + 1u], carry = blsh_none();
        const uint32_t limit = limit_of(search, 0u);
        (void)count_row(search, blsh_rows(model->bounds + slack, planes, rows), limit, value);
        measure(search, value, search->levels + 1u, limit);
        for (unsigned level = 0; level <= search->levels; level++) {
            blsh_lanes_t sum = value[level];
            carry = level < slack ? blsh_full_add(&sum, blsh_read(at, 4u * level), carry) : blsh_half_add(&sum, carry);
            blsh_store_lanes(&bound[level][lane], sum);
        }
    }
}

/* Of the blocks in `left` those whose bounds are least, but for their COARSE lowest bits; and these bounds. */
static uint32_t least_bound(uint32_t bound[WIDE + 1u][GROUPS], unsigned levels, const uint32_t left[GROUPS],
                            uint32_t least[GROUPS]) {
    uint32_t value = 0;
#if BLSH_LANES == 4u
    blsh_store_lanes(least, least_of(blsh_load_lanes(left), bound[levels], levels + 1u - COARSE, &value));
#else
    uint32_t a = left[0], b = left[1], c = left[2], d = left[3];
    for (unsigned level = levels + 1u; level-- > COARSE;) {
        const uint32_t *word = bound[level];
        const uint32_t a0 = a & ~word[0], b0 = b & ~word[1], c0 = c & ~word[2], d0 = d & ~word[3];
        value <<= 1;
        if ((a0 | b0 | c0 | d0) != 0u) {
            a = a0;
            b = b0;
            c = c0;
            d = d0;
        } else {
            value |= 1u;
        }
    }
    least[0] = a;
    least[1] = b;
    least[2] = c;
    least[3] = d;
#endif
    return value << COARSE;
}

/* Of the blocks in `left` those whose bounds are below `edge`, or at it and before the entry `index`. */
static void within(uint32_t bound[WIDE + 1u][GROUPS], unsigned levels, uint32_t edge, uint32_t first,
                   uint32_t index, const uint32_t left[GROUPS], uint32_t near[GROUPS]) {
    for (unsigned i = 0; i < GROUPS; i++, first += ENTRIES * ENTRIES) {
        const uint32_t before = index > first ? (index - first + ENTRIES - 1u) / ENTRIES : 0u;
        near[i] = before < ENTRIES ? (UINT32_C(1) << before) - 1u : UINT32_MAX;
    }
    for (unsigned i = 0; i < GROUPS; i += BLSH_LANES) {
        blsh_lanes_t not_above = blsh_load_lanes(near + i);
        for (unsigned level = 0; level <= levels; level++) {
            const blsh_lanes_t below = ~blsh_load_lanes(bound[level] + i);
            not_above = (edge >> level & 1u) != 0u ? not_above | below : not_above & below;
        }
        blsh_store_lanes(near + i, not_above & blsh_load_lanes(left + i));
    }
}

/* Up to four groups of blocks from `group` on. */
static void search_groups(search_t *search, uint32_t group, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    uint32_t bound[WIDE + 1u][GROUPS], left[GROUPS], near[GROUPS];
    uint8_t block[GROUPS * ENTRIES + BLSH_LANES], *end = block; /* in the order of their visits */
    const uint8_t *next = block;
    bool last = false;
    search->first = ENTRIES * ENTRIES * group;
    search->top = INDEX_TOP - search->first;
    search->rows = model->planes + ENTRIES * group * search->planes;
    bound_blocks(search, group, (blocks + ENTRIES - 1u) / ENTRIES, bound);
    for (unsigned i = 0; i < GROUPS; i++) {
        const uint32_t first = ENTRIES * (group + i);
        left[i] = first >= blocks ? 0u : blocks - first >= ENTRIES ? UINT32_MAX : (UINT32_C(1) << (blocks - first)) - 1u;
    }
    do {
        const uint32_t nearest = least_bound(bound, search->levels, left, near);
        const uint32_t farthest = search->last->index, edge = model->radius + (farthest >> INDEX_BITS);
        last = nearest + (1u << COARSE) > edge;
        if (last) {
            within(bound, search->levels, edge, search->first, farthest & INDEX_TOP, left, near);
        }
        for (unsigned i = 0; i < GROUPS; i++) {
            left[i] &= ~near[i];
            for (uint32_t set = near[i]; set != 0u; set &= set - 1u) {
                *end++ = (uint8_t)(ENTRIES * i + blsh_lowest_one(set));
            }
        }
        last = last || (left[0] | left[1] | left[2] | left[3]) == 0u;
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

/* Bits that are set. */
static unsigned ones_of(uint32_t word) {
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    return (unsigned)(((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24);
}

/* Chooses the planes to be counted, into `place`. */
static void read_code(search_t *search, const uint32_t *code, uint32_t *place) {
    const unsigned bits = search->model->bits;
    unsigned ones = 0;
    for (unsigned word = 0; 32u * word < bits; word++) {
        ones += ones_of(code[word]);
    }
    search->turn = 2u * ones <= bits ? UINT32_MAX : 0u;
    search->base = search->turn != 0u ? ones + bits + 2u : bits - ones;
    ones = search->turn != 0u ? ones : bits - ones;
    search->place = place;
    unsigned plane = search->levels;
    for (unsigned left = bits; left > 0u; plane += 32u) {
        uint32_t word = *code++ ^ ~search->turn;
        if (left < 32u) {
            word &= (UINT32_C(1) << left) - 1u;
        }
        for (; word != 0u; word &= word - 1u) {
            *place++ = 4u * (plane + blsh_lowest_one(word));
        }
        left -= left < 32u ? left : 32u;
    }
    search->steps = ones == 0u ? 1u : (ones + BLSH_STEP - 1u) / BLSH_STEP;
    while (place < search->place + BLSH_STEP * search->steps) {
        *place++ = 4u * (search->levels + bits); /* behind the planes of the code is one of zeros */
    }
}

void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *place, blsh_neighbour_t *found) {
    const uint32_t blocks = (model->entries + ENTRIES - 1u) / ENTRIES;
    search_t search;
    search.model = model;
    search.planes = BLSH_PLANES((unsigned)model->bits);
    search.levels = BLSH_ZERO_BITS(model->bits);
    search.near = search.end = found;
    search.last = found + model->neighbours - 1u;
    read_code(&search, code, place);
    search.last->index = ((uint32_t)model->bits << INDEX_BITS) + INDEX_TOP; /* behind all entries */
    for (uint32_t group = 0; ENTRIES * group < blocks; group += GROUPS) {
        search_groups(&search, group, blocks);
    }
    for (blsh_neighbour_t *slot = search.near; slot <= search.last; slot++) {
        slot->distance = slot->index >> INDEX_BITS;
        slot->index &= INDEX_TOP;
    }
}

void blsh_find_neighbours(blsh_state_t *state) {
    blsh_find_nearest(state->model, state->code, state->place, state->neighbour);
}
