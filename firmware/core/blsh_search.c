/* The K nearest entries, exactly, in a bit-sliced dictionary: each bit of a word is an entry, and 32 distances (128
 * with Helium) are counted at once. Blocks of 32 entries are visited from the smallest lower bound of their distances
 * up, until that bound passes the K-th distance found; a block is left as soon as all its entries have passed it.
 * What is found depends on neither: a neighbour gives way only to a smaller (distance, index). */
#include "blsh_fixed.h"
#include "blsh_lanes.h"
#include "blsh_stages.h"

#define ENTRIES 32u /* of a block, and blocks of a group */
#define GROUPS 4u   /* bounded at once: 4 096 entries */
#define STEP 8u     /* planes between two looks at the threshold */
#define LOW 3u      /* counter bits that a step adds up */
#define NARROW 5u   /* counter bits for limits up to 32: all of them in registers */
#define MEDIUM 7u   /* and up to 128, of longer codes */
#define WIDE 10u    /* for R + L, at most 640 */
#define INDEX_BITS 23u /* a neighbour is one number, distance << INDEX_BITS | index: smaller is nearer */
#define INDEX_TOP ((UINT32_C(1) << INDEX_BITS) - 1u)

_Static_assert(BLSH_MAX_ENTRIES <= 1u << INDEX_BITS && BLSH_MAX_BITS < 1u << (32u - INDEX_BITS), "fits 32 bits");

typedef struct {
    const blsh_model_t *model;
    const uint32_t *flip; /* for each bit of the code: all ones where it is 1 */
    blsh_neighbour_t *near, *last; /* the K nearest so far, nearest first: as such numbers, each in `index` */
} search_t;

typedef struct {
    blsh_lanes_t ones, twos, fours;
} low_t;

/* Adds eight planes, where they differ from the code, to the low counter bits; returns what is carried beyond. */
static inline blsh_lanes_t add_step(low_t *low, blsh_cursor_t at, const uint32_t *flip) {
    blsh_lanes_t a, b, two, four;
    blsh_differences(at, flip, 0, &a, &b);
    two = blsh_full_add(&low->ones, a, b);
    blsh_differences(at, flip, 2, &a, &b);
    four = blsh_full_add(&low->twos, two, blsh_full_add(&low->ones, a, b));
    blsh_differences(at, flip, 4, &a, &b);
    two = blsh_full_add(&low->ones, a, b);
    blsh_differences(at, flip, 6, &a, &b);
    two = blsh_full_add(&low->twos, two, blsh_full_add(&low->ones, a, b));
    return blsh_full_add(&low->fours, four, two);
}

/* Adds one plane likewise. */
static inline blsh_lanes_t add_plane(low_t *low, blsh_cursor_t at, const uint32_t *flip) {
    const blsh_lanes_t two = blsh_half_add(&low->ones, blsh_difference(at, flip));
    return blsh_half_add(&low->fours, blsh_half_add(&low->twos, two));
}

/* Counts the differences of entries and code from `start` on. Returns the counters that ran over LOW + high bits; leaves
 * early once all have. `high` is a constant where this is called, so that all counters stay in registers. */
static inline __attribute__((always_inline)) blsh_lanes_t count_in_registers(blsh_cursor_t at, const uint32_t *flip,
                                                                             unsigned planes, blsh_lanes_t *counter,
                                                                             blsh_lanes_t start, unsigned high) {
    low_t low = {blsh_spread(start, 0), blsh_spread(start, 1), blsh_spread(start, 2)};
    blsh_lanes_t top[MEDIUM - LOW], passed = {0};
    BLSH_UNROLL(4)
    for (unsigned h = 0; h < high; h++) {
        top[h] = blsh_spread(start, LOW + h);
    }
    while (planes > 0u) {
        const unsigned step = planes >= STEP ? STEP : 1u;
        blsh_lanes_t carry = step == STEP ? add_step(&low, at, flip) : add_plane(&low, at, flip);
        BLSH_UNROLL(4)
        for (unsigned h = 0; h < high; h++) {
            carry = blsh_half_add(&top[h], carry);
        }
        passed |= carry;
        if (blsh_all_set(passed)) {
            return passed;
        }
        at = blsh_advance(at, step);
        flip += step;
        planes -= step;
    }
    counter[0] = low.ones;
    counter[1] = low.twos;
    counter[2] = low.fours;
    BLSH_UNROLL(4)
    for (unsigned h = 0; h < high; h++) {
        counter[LOW + h] = top[h];
    }
    return passed;
}

__attribute__((noinline)) static blsh_lanes_t count_narrow(blsh_cursor_t at, const uint32_t *flip, unsigned planes,
                                                           blsh_lanes_t *counter, blsh_lanes_t start) {
    return count_in_registers(at, flip, planes, counter, start, NARROW - LOW);
}

__attribute__((noinline)) static blsh_lanes_t count_medium(blsh_cursor_t at, const uint32_t *flip, unsigned planes,
                                                           blsh_lanes_t *counter, blsh_lanes_t start) {
    return count_in_registers(at, flip, planes, counter, start, MEDIUM - LOW);
}

/* The same with `levels` counter bits, to the end. */
static blsh_lanes_t count_wide(blsh_cursor_t at, const uint32_t *flip, unsigned planes, blsh_lanes_t *counter,
                               unsigned levels, blsh_lanes_t passed) {
    low_t low = {counter[0], counter[1], counter[2]};
    while (planes > 0u) {
        const unsigned step = planes >= STEP ? STEP : 1u;
        blsh_lanes_t carry = step == STEP ? add_step(&low, at, flip) : add_plane(&low, at, flip);
        for (unsigned level = LOW; level < levels; level++) {
            carry = blsh_half_add(&counter[level], carry);
        }
        passed |= carry;
        at = blsh_advance(at, step);
        flip += step;
        planes -= step;
    }
    counter[0] = low.ones;
    counter[1] = low.twos;
    counter[2] = low.fours;
    return passed;
}

/* Puts `entry` in its place; the farthest falls off. */
static inline void insert(search_t *search, uint32_t entry) {
    blsh_neighbour_t *slot = search->last;
    for (; slot > search->near && slot[-1].index > entry; slot--) {
        slot[0].index = slot[-1].index;
    }
    slot->index = entry;
}

/* The entries of a block that have not passed its limit, nearest first, into the list. */
__attribute__((noinline)) static void take(search_t *search, uint32_t block, uint32_t left, const uint32_t *counter, unsigned levels,
                 uint32_t start) {
    while (left != 0u) {
        uint32_t least = left, distance = 0u - start;
        for (unsigned level = levels; level-- > 0u;) {
            const uint32_t less = least & ~counter[level * BLSH_LANES];
            if (less != 0u) {
                least = less;
            } else {
                distance += UINT32_C(1) << level;
            }
        }
        left &= ~least;
        for (; least != 0u; least &= least - 1u) {
            const uint32_t entry = (distance << INDEX_BITS) + ENTRIES * block + blsh_lowest_one(least);
            if (entry >= search->last->index) {
                return;
            }
            insert(search, entry);
        }
    }
}

/* Searches blocks that lie one in each lane; `count` of them are to be taken, the others fill the lanes. */
static void visit(search_t *search, uint32_t *block, unsigned count) {
    const blsh_model_t *model = search->model;
    for (unsigned lane = count; lane < BLSH_LANES; lane++) {
        block[lane] = block[0];
    }
    const blsh_lanes_t visited = blsh_load_lanes(block);
    const uint32_t limit = search->last->index >> INDEX_BITS;
    const unsigned levels = limit < 1u << NARROW ? NARROW : limit < 1u << MEDIUM ? MEDIUM : WIDE;
    const blsh_lanes_t start = (UINT32_C(1) << levels) - ((search->last->index + INDEX_TOP - (visited << 5)) >> INDEX_BITS);
    const blsh_cursor_t at = blsh_cursor(model->planes, visited * model->bits);
    blsh_lanes_t counter[WIDE], passed;
    if (levels < WIDE) {
        passed = levels == NARROW ? count_narrow(at, search->flip, model->bits, counter, start)
                                  : count_medium(at, search->flip, model->bits, counter, start);
        if (blsh_all_set(passed)) {
            return;
        }
    } else {
        for (unsigned level = 0; level < WIDE; level++) {
            counter[level] = blsh_spread(start, level);
        }
        passed = count_wide(at, search->flip, model->bits, counter, WIDE, (blsh_lanes_t){0});
    }
    uint32_t out[BLSH_LANES], begin[BLSH_LANES];
    blsh_store_lanes(out, passed);
    blsh_store_lanes(begin, start);
    for (unsigned lane = 0; lane < count; lane++) {
        uint32_t left = ~out[lane];
        if (left != 0u) {
            if (block[lane] == (model->entries - 1u) / ENTRIES) {
                left &= UINT32_MAX >> (ENTRIES - 1u - (model->entries - 1u) % ENTRIES); /* the others do not exist */
            }
            take(search, block[lane], left, (const uint32_t *)counter + lane, levels, begin[lane]);
        }
    }
}

/* R + |code - centre| - radius of each block of four groups, bit-sliced: R + a lower bound of its distances. */
static void bound_blocks(const search_t *search, uint32_t group, uint32_t groups, uint32_t bound[WIDE][GROUPS],
                         unsigned levels) {
    const blsh_model_t *model = search->model;
    const unsigned slack = (unsigned)blsh_bit_length(model->radius);
    for (unsigned lane = 0; lane < GROUPS && group + lane < groups; lane += BLSH_LANES) {
        uint32_t row[BLSH_LANES];
        for (unsigned i = 0; i < BLSH_LANES; i++) {
            row[i] = group + lane + i < groups ? group + lane + i : group;
        }
        blsh_cursor_t at = blsh_cursor(model->bounds, blsh_load_lanes(row) * (slack + model->bits));
        blsh_lanes_t counter[WIDE];
        for (unsigned level = 0; level < WIDE; level++) {
            counter[level] = (blsh_lanes_t){0};
            if (level < slack) {
                counter[level] = blsh_read(at, 0);
                at = blsh_advance(at, 1u);
            }
        }
        (void)count_wide(at, search->flip, model->bits, counter, levels, (blsh_lanes_t){0});
        for (unsigned level = 0; level < levels; level++) {
            blsh_store_lanes(&bound[level][lane], counter[level]);
        }
    }
}

/* The least bound of the blocks in `left`; those that have it move to `least`. */
static uint32_t least_bound(uint32_t bound[WIDE][GROUPS], unsigned levels, uint32_t left[GROUPS],
                            uint32_t least[GROUPS]) {
    uint32_t value = 0;
#if BLSH_LANES == 4u
    const blsh_lanes_t all = blsh_load_lanes(left);
    blsh_lanes_t set = all;
    for (unsigned level = levels; level-- > 0u;) {
        const blsh_lanes_t less = set & ~blsh_load_lanes(bound[level]);
        if (blsh_any_set(less)) {
            set = less;
        } else {
            value |= UINT32_C(1) << level;
        }
    }
    blsh_store_lanes(least, set);
    blsh_store_lanes(left, all & ~set);
#else
    uint32_t a = left[0], b = left[1], c = left[2], d = left[3];
    for (unsigned level = levels; level-- > 0u;) {
        const uint32_t *word = bound[level];
        const uint32_t a0 = a & ~word[0], b0 = b & ~word[1], c0 = c & ~word[2], d0 = d & ~word[3];
        if ((a0 | b0 | c0 | d0) != 0u) {
            a = a0;
            b = b0;
            c = c0;
            d = d0;
        } else {
            value |= UINT32_C(1) << level;
        }
    }
    least[0] = a;
    least[1] = b;
    least[2] = c;
    least[3] = d;
    for (unsigned i = 0; i < GROUPS; i++) {
        left[i] &= ~least[i];
    }
#endif
    return value;
}

/* At most so far from the code is each entry of `block`, whose bound is `nearest`: twice the radius above it. */
static uint32_t farthest_of(const blsh_model_t *model, uint32_t block, uint32_t nearest) {
    const unsigned slack = (unsigned)blsh_bit_length(model->radius);
    const uint32_t *row = model->bounds + block / ENTRIES * (slack + model->bits);
    uint32_t below = 0;
    for (unsigned level = 0; level < slack; level++) {
        below += (row[level] >> block % ENTRIES & 1u) << level;
    }
    const uint32_t distance = nearest + model->radius - 2u * below;
    return distance < model->bits ? distance : model->bits;
}

static void start_list(search_t *search, uint32_t distance) {
    for (blsh_neighbour_t *slot = search->near; slot <= search->last; slot++) {
        slot->index = (distance << INDEX_BITS) + INDEX_TOP; /* behind all entries at this distance */
    }
}

/* Up to four groups of blocks from `group` on. */
static void search_groups(search_t *search, uint32_t group, uint32_t blocks) {
    const blsh_model_t *model = search->model;
    const unsigned levels = (unsigned)blsh_bit_length((uint32_t)model->radius + model->bits);
    uint32_t bound[WIDE][GROUPS], left[GROUPS], least[GROUPS], batch[BLSH_LANES];
    unsigned held = 0;
    bool started = group != 0u;
    bound_blocks(search, group, (blocks + ENTRIES - 1u) / ENTRIES, bound, levels);
    for (unsigned i = 0; i < GROUPS; i++) {
        const uint32_t first = ENTRIES * (group + i);
        left[i] = first >= blocks ? 0u : blocks - first >= ENTRIES ? UINT32_MAX : (UINT32_C(1) << (blocks - first)) - 1u;
    }
    while ((left[0] | left[1] | left[2] | left[3]) != 0u) {
        const uint32_t nearest = least_bound(bound, levels, left, least);
        if (nearest > model->radius + (search->last->index >> INDEX_BITS)) {
            break;
        }
        for (unsigned i = 0; i < GROUPS; i++) {
            for (uint32_t set = least[i]; set != 0u; set &= set - 1u) {
                const uint32_t block = ENTRIES * (group + i) + blsh_lowest_one(set);
                if (!started && model->entries >= ENTRIES * (block + 1u)) { /* it has K entries */
                    start_list(search, farthest_of(model, block, nearest));
                }
                started = true;
                const uint32_t last = search->last->index;
                if (nearest < model->radius + (last >> INDEX_BITS) || ENTRIES * block < (last & INDEX_TOP)) {
                    batch[held++] = block;
                    if (held == BLSH_LANES) {
                        visit(search, batch, held);
                        held = 0;
                    }
                }
            }
        }
    }
    if (held != 0u) {
        visit(search, batch, held);
    }
}

void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *flip, blsh_neighbour_t *found) {
    const uint32_t blocks = (model->entries + ENTRIES - 1u) / ENTRIES;
    search_t search = {model, flip, found, found + model->neighbours - 1u};
    for (unsigned bit = 0, word = 0; bit < model->bits; bit++, word >>= 1) {
        word = bit % 32u == 0u ? *code++ : word;
        flip[bit] = 0u - (word & 1u);
    }
    start_list(&search, model->bits);
    for (uint32_t group = 0; ENTRIES * group < blocks; group += GROUPS) {
        search_groups(&search, group, blocks);
    }
    for (blsh_neighbour_t *slot = search.near; slot <= search.last; slot++) {
        slot->distance = slot->index >> INDEX_BITS;
        slot->index &= INDEX_TOP;
    }
}

void blsh_find_neighbours(blsh_state_t *state) {
    blsh_find_nearest(state->model, state->code, state->flip, state->neighbour);
}
