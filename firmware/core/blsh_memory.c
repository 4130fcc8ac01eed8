// SPDX-License-Identifier: Apache-2.0
/* Memory features (SPEC.md, 5): the logarithm of each band's level, beside what pairs of bands did in the last
 * second. */
#include <stdbool.h>

#include "blsh_log.h"
#include "blsh_stages.h"

_Static_assert(BLSH_MEMORY_START == 1u << BLSH_START_SHIFT, "the votes of a start fade to 0");

#define UNIT_SHIFT      (BLSH_MEMORY_FRACTION_BITS - 2) /* from 1/64 of a step to a feature's 1/4 of a step */
#define DEVIATION_SHIFT (BLSH_MEMORY_FRACTION_BITS - 4)

/* By how much means and deviations move in this tick: 2^-shift of their distance, but as far as a plain mean would at
 * the start of a stream. */
typedef struct {
    int32_t rise, fast, middle, slow;
} shifts_t;

static inline int32_t moved(int32_t from, int32_t to, int32_t shift) { return from + ((to - from) >> shift); }

static inline int32_t distance_of(int32_t a, int32_t b) { return a > b ? a - b : b - a; }

static shifts_t shifts_of(uint32_t ticks) {
    const int32_t widest = blsh_bit_length(ticks + 1u) - 1;
    return (shifts_t){
        .rise = ticks == 0u                   ? 0
                : ticks < BLSH_TRACKING_START ? BLSH_MEMORY_FAST_SHIFT
                                              : BLSH_MEMORY_SLOW_SHIFT,
        .fast = widest < BLSH_MEMORY_FAST_SHIFT ? widest : BLSH_MEMORY_FAST_SHIFT,
        .middle = widest < BLSH_MEMORY_MIDDLE_SHIFT ? widest : BLSH_MEMORY_MIDDLE_SHIFT,
        .slow = widest < BLSH_MEMORY_SLOW_SHIFT ? widest : BLSH_MEMORY_SLOW_SHIFT,
    };
}

/* Moves the memory of a pair on to its level `now`. In the first tick all shifts are 0, and its mean is that level. */
static void move(blsh_memory_t *memory, int32_t now, const shifts_t *shift) {
    memory->floor = (uint16_t)moved(memory->floor, now, now < memory->floor ? BLSH_MEMORY_FAST_SHIFT : shift->rise);
    memory->mean[0] = (uint16_t)moved(memory->mean[0], now, shift->fast);
    memory->mean[1] = (uint16_t)moved(memory->mean[1], now, shift->middle);
    memory->mean[2] = (uint16_t)moved(memory->mean[2], now, shift->slow);
    memory->deviation[0] = (uint16_t)moved(memory->deviation[0], distance_of(now, memory->mean[1]), shift->middle);
    memory->deviation[1] = (uint16_t)moved(memory->deviation[1], distance_of(now, memory->mean[2]), shift->slow);
}

/* No pair of bands is far above its slow mean, or strayed from it. In most hops one did, and is found soon. */
static bool steady(const int16_t *feature) {
    enum { PAIRS = BLSH_MEMORY_PAIRS };
    const int16_t *const slow = feature + 5 * PAIRS, *const strays = feature + 7 * PAIRS;
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        if (strays[pair] > BLSH_STEADY_DEVIATION ||
            feature[2u * pair] + feature[2u * pair + 1u] - 2 * slow[pair] > BLSH_STEADY_RISE) {
            return false;
        }
    }
    return true;
}

/* What the rules add to all sums of votes: less and less at the start of a stream; later, in a steady hop, something
 * negative. */
static int32_t votes_of_rules(const blsh_state_t *state) {
    const blsh_model_t *const model = state->model;
    const uint32_t left = (uint32_t)BLSH_MEMORY_START - state->ticks;
    if (left != 0u) {
        return (int32_t)(model->start_votes * left >> BLSH_START_SHIFT);
    }
    return steady(state->projected.feature) ? -(int32_t)model->steady_votes : 0;
}

void blsh_remember(blsh_state_t *state, int32_t exponent) {
    enum { PAIRS = BLSH_MEMORY_PAIRS, BANDS = BLSH_TRACKED_BANDS };
    int32_t *const level = state->spectral.level;
    int16_t *const feature = state->projected.feature;
    const shifts_t shift = shifts_of(state->ticks);
    const int32_t origin = state->model->log_origin;
    const bool begins = blsh_tick_begins(state);
    int32_t sum = 0, floors = 0;
    for (unsigned band = 0; band < BANDS; band++) {
        level[band] = blsh_log_level((uint32_t)level[band], exponent, origin);
        sum += level[band];
    }
    const int32_t mean = 4 * blsh_rounded_shift(sum, 6);
    for (unsigned band = 0; band < BANDS; band++) {
        feature[band] = (int16_t)(4 * level[band] - mean);
    }
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        blsh_memory_t *const memory = state->memory + pair;
        int16_t *const to = feature + BANDS + pair;
        if (begins) {
            const int32_t both = blsh_rounded_shift(level[2u * pair] + level[2u * pair + 1u], 1);
            move(memory, both * (1 << BLSH_MEMORY_FRACTION_BITS), &shift);
        }
        floors += memory->floor >> UNIT_SHIFT;
        to[0] = (int16_t)((memory->floor >> UNIT_SHIFT) - mean);
        to[PAIRS] = (int16_t)((memory->mean[0] >> UNIT_SHIFT) - mean);
        to[2 * PAIRS] = (int16_t)((memory->mean[1] >> UNIT_SHIFT) - mean);
        to[3 * PAIRS] = (int16_t)((memory->mean[2] >> UNIT_SHIFT) - mean);
        to[4 * PAIRS] = (int16_t)(memory->deviation[0] >> DEVIATION_SHIFT);
        to[5 * PAIRS] = (int16_t)(memory->deviation[1] >> DEVIATION_SHIFT);
    }
    feature[BLSH_MEMORY_FEATURES - 1u] = (int16_t)(mean - blsh_rounded_shift(floors, 5));
    state->rule_votes = votes_of_rules(state);
}
