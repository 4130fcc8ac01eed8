/* The K nearest entries, exactly, in a bit-sliced dictionary: each bit of a word is an entry, and 32 distances (128
 * with Helium) are counted at once. Of a code with n ones, an entry with w ones, s of them where the code has ones, is
 * at distance n + w - 2 s; s counted where it has zeros instead, at w - 2 s below n. So the planes where the code has
 * what it has less of are enough, beside the number of zeros of each entry, which the dictionary holds.
 * Blocks of 32 entries are visited from the smallest lower bound of their distances up, until that bound passes the
 * K-th distance found. What is found does not depend on it: a neighbour gives way only to a smaller (distance, index). */
#include "blsh_fixed.h"
#include "blsh_lanes.h"
#include "blsh_stages.h"

#define ENTRIES 32u    /* of a block, and blocks of a group */
#define GROUPS 4u      /* bounded at once: 4 096 entries */
#define NARROW 6u      /* bits of the number of zeros, of short codes */
#define WIDE 9u        /* and of long ones */
#define STEP 8u        /* planes counted at once */
#define LOW 2u         /* counter bits that four of them fill */
#define COARSE 3u      /* lowest bits of a bound that do not order the blocks */
#define INDEX_BITS 23u /* a neighbour is one number, distance << INDEX_BITS | index: smaller is nearer */
#define INDEX_TOP ((UINT32_C(1) << INDEX_BITS) - 1u)

_Static_assert(BLSH_MAX_ENTRIES <= 1u << INDEX_BITS && BLSH_MAX_BITS < 1u << (32u - INDEX_BITS), "fits 32 bits");
_Static_assert(BLSH_ZERO_BITS(63u) == NARROW && BLSH_ZERO_BITS(64u) == WIDE && BLSH_MAX_BITS < 1u << WIDE, "zeros fit");

typedef struct {
    const blsh_model_t *model;
    const uint32_t *place, *places; /* the planes to be counted: where they lie in a row, in bytes; and their end */
    unsigned planes; /* of a block */
    unsigned levels; /* of these, that hold the number of zeros of each entry; those of its code follow */
    uint32_t turn;   /* all ones where the ones of the code are counted, none where its zeros are */
    uint32_t base;   /* what counting starts from, for a distance of 0 */
    blsh_neighbour_t *near, *last, *end; /* the K nearest, nearest first, as such numbers, each in `index`; found so far */
} search_t;

/* Adds two planes to a counter; returns what is carried. */
static inline blsh_lanes_t add_two(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *place) {
    uint32_t a, b;
    blsh_load_pair(place, &a, &b);
    blsh_keep_order(*sum, a, b);
    return blsh_full_add(sum, blsh_read(at, a), blsh_read(at, b));
}

/* Adds four planes to the two lowest counters; returns what is carried beyond. */
static inline blsh_lanes_t add_four(blsh_lanes_t *low, blsh_cursor_t at, const uint32_t *place) {
    const blsh_lanes_t two = add_two(&low[0], at, place);
    return blsh_full_add(&low[1], two, add_two(&low[0], at, place + 2));
}

/* The distances of the entries in rows `at` from the code less `limit`, bit-sliced, in two's complement of levels + 1
 * bits, into `value`; complemented where search->turn is set. `levels` is a constant where this is called. */
static inline __attribute__((always_inline)) void count(const search_t *search, blsh_cursor_t at, blsh_lanes_t limit,
                                                        blsh_lanes_t *value, unsigned levels) {
    const blsh_lanes_t start = search->base + (limit ^ ~search->turn);
    blsh_lanes_t low[LOW] = {blsh_spread(start, 1), blsh_spread(start, 2)};
    blsh_lanes_t own[WIDE], *const high = BLSH_LANES == 1u ? own : value;
    BLSH_UNROLL(8)
    for (unsigned level = LOW; level < levels; level++) {
        high[level] = blsh_spread(start, level + 1u);
    }
    const uint32_t *place = search->place;
    do {
        const blsh_lanes_t four = add_four(low, at, place);
        blsh_lanes_t carry = blsh_full_add(&high[LOW], four, add_four(low, at, place + 4));
        BLSH_UNROLL(8)
        for (unsigned level = LOW + 1u; level < levels; level++) {
            carry = blsh_half_add(&high[level], carry);
        }
        place += STEP;
    } while (place < search->places);
    /* twice that, and the number of zeros */
    const blsh_lanes_t odd = blsh_read(at, 0);
    blsh_lanes_t carry = blsh_spread(start, 0), sum = odd ^ carry;
    carry &= odd;
    BLSH_UNROLL(8)
    for (unsigned level = 1; level <= levels; level++) {
        blsh_lanes_t next = level <= LOW ? low[level - 1u] : high[level - 1u];
        if (level < levels) {
            carry = blsh_full_add(&next, blsh_read(at, 4u * level), carry);
        } else {
            next ^= carry;
        }
        value[level - 1u] = sum;
        sum = next;
    }
    value[levels] = sum;
}

__attribute__((noinline)) static void count_narrow(const search_t *search, blsh_cursor_t at, blsh_lanes_t limit,
                                                   blsh_lanes_t *value) {
    count(search, at, limit, value, NARROW);
}

__attribute__((noinline)) static void count_wide(const search_t *search, blsh_cursor_t at, blsh_lanes_t limit,
                                                 blsh_lanes_t *value) {
    count(search, at, limit, value, WIDE);
}

static inline void count_row(const search_t *search, blsh_cursor_t at, blsh_lanes_t limit, blsh_lanes_t *value) {
    if (search->levels == NARROW) {
        count_narrow(search, at, limit, value);
    } else {
        count_wide(search, at, limit, value);
    }
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

/* Those of the numbers in `set` that are least, and how large they are. `top` is their highest plane of
 * `levels`. */
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

/* The entries in `left` of blocks, one in each lane, nearest first, into the list. Their values are below 0 and not
 * below the negative `limit`, so its bits are enough to tell them apart. */
static void take(search_t *search, const uint32_t *block, blsh_lanes_t left, blsh_lanes_t *value, blsh_lanes_t limit) {
    const uint32_t reach = (search->last->index >> INDEX_BITS) + 1u;
    const unsigned bits = (unsigned)blsh_bit_length(reach), levels = bits < search->levels ? bits : search->levels;
    for (unsigned level = 0; level < levels; level++) {
        value[level] ^= search->turn;
    }
    const uint32_t nearest = blsh_least_lane(limit);
    uint32_t limits[BLSH_LANES];
    blsh_store_lanes(limits, limit);
    do {
        uint32_t number, found[BLSH_LANES];
        const blsh_lanes_t least = least_of(left, (const uint32_t *)(value + levels - 1), levels, &number);
        number -= UINT32_C(1) << levels;
        blsh_store_lanes(found, least);
        left &= ~least;
        BLSH_UNROLL(4)
        for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
            if (found[lane] != 0u) {
                insert_all(search, ((number + limits[lane]) << INDEX_BITS) + ENTRIES * block[lane], found[lane]);
            }
        }
        if (search->last->index >> INDEX_BITS < number + 1u + nearest) {
            return;
        }
    } while (blsh_any_set(left));
}

/* Those of the entries below their limits that exist: lanes from `count` on repeat a block, and the last may be short. */
static blsh_lanes_t existing(const search_t *search, const uint32_t *block, unsigned count, blsh_lanes_t below) {
    const uint32_t entries = search->model->entries;
    uint32_t left[BLSH_LANES];
    blsh_store_lanes(left, below);
    for (unsigned lane = 0; lane < BLSH_LANES; lane++) {
        if (lane >= count) {
            left[lane] = 0;
        } else if (block[lane] == (entries - 1u) / ENTRIES) {
            left[lane] &= UINT32_MAX >> (ENTRIES - 1u - (entries - 1u) % ENTRIES);
        }
    }
    return blsh_load_lanes(left);
}

/* Searches blocks that lie one in each lane; `count` of them are to be taken, the others fill the lanes. */
static void visit(search_t *search, const uint32_t *block, unsigned count) {
    const blsh_model_t *model = search->model;
    const blsh_lanes_t visited = blsh_load_lanes(block);
    const blsh_lanes_t limit = (search->last->index + INDEX_TOP - (visited << 5)) >> INDEX_BITS;
    blsh_lanes_t value[WIDE + 1u];
    count_row(search, blsh_cursor(model->planes, visited * search->planes), limit, value);
    blsh_lanes_t below = value[search->levels] ^ search->turn;
    if (count < BLSH_LANES || model->entries % ENTRIES != 0u) {
        below = existing(search, block, count, below);
    }
    if (blsh_any_set(below)) {
        take(search, block, below, value, limit);
    }
}

/* R + |code - centre| - radius of each block of four groups, bit-sliced: R + a lower bound of its distances. */
static void bound_blocks(const search_t *search, uint32_t group, uint32_t groups, uint32_t bound[WIDE + 1u][GROUPS]) {
    const blsh_model_t *model = search->model;
    const unsigned slack = (unsigned)blsh_bit_length(model->radius);
    for (unsigned lane = 0; lane < GROUPS && group + lane < groups; lane += BLSH_LANES) {
        uint32_t row[BLSH_LANES];
        for (unsigned i = 0; i < BLSH_LANES; i++) {
            row[i] = group + lane + i < groups ? group + lane + i : group;
        }
        const blsh_lanes_t place = blsh_load_lanes(row) * (slack + search->planes);
        const blsh_cursor_t at = blsh_cursor(model->bounds, place);
        blsh_lanes_t value[WIDE + 1u], carry = {0};
        count_row(search, blsh_cursor(model->bounds + slack, place), carry, value);
        for (unsigned level = 0; level <= search->levels; level++) {
            blsh_lanes_t sum = value[level] ^ search->turn;
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
    uint32_t bound[WIDE + 1u][GROUPS], left[GROUPS], near[GROUPS], batch[BLSH_LANES];
    unsigned held = 0;
    bool last = false;
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
            within(bound, search->levels, edge, ENTRIES * ENTRIES * group, farthest & INDEX_TOP, left, near);
        }
        for (unsigned i = 0; i < GROUPS; i++) {
            left[i] &= ~near[i];
            for (uint32_t set = near[i]; set != 0u; set &= set - 1u) {
                batch[held++] = ENTRIES * (group + i) + blsh_lowest_one(set);
                if (held == BLSH_LANES) {
                    visit(search, batch, BLSH_LANES);
                    held = 0;
                }
            }
        }
    } while (!last && (left[0] | left[1] | left[2] | left[3]) != 0u);
    if (held != 0u) {
        for (unsigned lane = held; lane < BLSH_LANES; lane++) {
            batch[lane] = batch[0];
        }
        visit(search, batch, held);
    }
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
    search->base = search->turn != 0u ? 0u - ones - bits - 1u : ones - bits + 1u;
    ones = search->turn != 0u ? ones : bits - ones;
    search->place = place;
    uint32_t offset = 4u * search->levels;
    for (unsigned bit = 0; bit < bits; bit += 32u) {
        uint32_t word = *code++ ^ ~search->turn;
        BLSH_UNROLL(8)
        for (unsigned left = bits - bit < 32u ? bits - bit : 32u; left > 0u; left--) {
            *place = offset;
            place += word & 1u;
            word >>= 1;
            offset += 4u;
        }
    }
    search->places = search->place + (ones == 0u ? STEP : (ones + STEP - 1u) / STEP * STEP);
    while (place < search->places) {
        *place++ = offset; /* behind the planes of the code is one of zeros */
    }
}

void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *place, blsh_neighbour_t *found) {
    const uint32_t blocks = (model->entries + ENTRIES - 1u) / ENTRIES;
    search_t search = {.model = model,
                       .planes = BLSH_PLANES((unsigned)model->bits),
                       .levels = BLSH_ZERO_BITS(model->bits),
                       .near = found,
                       .last = found + model->neighbours - 1u,
                       .end = found};
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
