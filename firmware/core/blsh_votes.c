// SPDX-License-Identifier: Apache-2.0
/* Stage `mask` of voting models (SPEC.md, 5): neighbours and bits vote for the gain of each band. */
#include <stddef.h>

#include "arch/blsh_rows.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

_Static_assert(2u * BLSH_MAX_BITS * BLSH_VOTE_BANDS <= UINT16_MAX, "the places of all votes of bits fit 16 bits");

typedef struct {
    const int8_t *vote; /* of the neighbour's entry, for the bands of its dictionary */
    int32_t weight;
} voter_t;

/* Finds the neighbours of a dictionary that have a weight; returns how many. */
static unsigned find_voters(const blsh_state_t *state, unsigned dictionary, unsigned bands, voter_t *voters) {
    const blsh_model_t *model = state->model;
    const uint8_t *const weights = model->weight + BLSH_VOTE_WEIGHTS * dictionary;
    const unsigned first_band = (unsigned)model->group_edge[dictionary];
    const int8_t *const votes = model->vote + model->entries * first_band;
    const blsh_neighbour_t *next = state->voted.neighbour + dictionary * model->neighbours;
    const blsh_neighbour_t *const end = next + model->neighbours;
    const uint32_t nearest = next->distance, first = model->entries * dictionary;
    voter_t *voter = voters;
    do { /* the nearest has a weight: blsh_init saw to that */
        const uint32_t behind = next->distance - nearest;
        if (behind >= BLSH_VOTE_WEIGHTS || weights[behind] == 0u) { /* and so are those that follow */
            break;
        }
        *voter++ = (voter_t){votes + (next->index - first) * bands, weights[behind]};
    } while (++next < end);
    return (unsigned)(voter - voters);
}

/* sum[i] becomes the sum of the weighted votes for band + i, i < 4; the compiler keeps them in registers. */
static inline void add_four(const voter_t *voter, const voter_t *end, unsigned band, int32_t *sum) {
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    do {
        const int8_t *const vote = voter->vote + band;
        const int32_t weight = voter->weight;
        sum0 += weight * vote[0];
        sum1 += weight * vote[1];
        sum2 += weight * vote[2];
        sum3 += weight * vote[3];
    } while (++voter < end);
    sum[0] = sum0;
    sum[1] = sum1;
    sum[2] = sum2;
    sum[3] = sum3;
}

static inline int32_t add_one(const voter_t *voter, const voter_t *end, unsigned band) {
    int32_t sum = 0;
    do {
        sum += voter->weight * voter->vote[band];
    } while (++voter < end);
    return sum;
}

/* The votes of a dictionary's neighbours: their weighted mean, for the bands that it serves. */
static void add_neighbours(blsh_state_t *state, unsigned dictionary) {
    const int16_t *const edge = state->model->group_edge + dictionary;
    const unsigned bands = (unsigned)(edge[1] - edge[0]);
    int32_t *const sum = state->voted.vote + edge[0];
    voter_t voters[BLSH_MAX_NEIGHBOURS];
    const voter_t *const end = voters + find_voters(state, dictionary, bands, voters);
    int32_t total = 0;
    for (const voter_t *voter = voters; voter < end; voter++) {
        total += voter->weight;
    }
    unsigned band = 0;
    for (; band + 4u <= bands; band += 4u) {
        add_four(voters, end, band, sum + band);
    }
    for (; band < bands; band++) {
        sum[band] = add_one(voters, end, band);
    }
    const int32_t reciprocal = (int32_t)((1u << BLSH_VOTE_RECIPROCAL_BITS) / (uint32_t)total);
    for (band = 0; band < bands; band++) {
        sum[band] = blsh_rounded_shift(sum[band] * reciprocal, BLSH_VOTE_SHIFT);
    }
}

/* How many thresholds a projection passes, whose first bit of the code is this one. */
static inline unsigned passed(const uint32_t *code, unsigned bit, unsigned thresholds) {
    static const uint8_t ones[1u << BLSH_MAX_THRESHOLDS] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    const unsigned place = bit % 32u;
    uint32_t bits = code[bit / 32u] >> place;
    if (place + thresholds > 32u) {
        bits |= code[bit / 32u + 1u] << (32u - place);
    }
    return ones[bits & ((1u << thresholds) - 1u)];
}

/* The votes of the projections, each by how many of its thresholds it passes. */
static void add_bits(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned thresholds = model->thresholds, bands = model->mask_bands;
    uint16_t row[BLSH_ROWS_AT_ONCE]; /* how many bytes behind the beginning the votes of a projection lie */
    unsigned offset = 0, count = 0;
    for (unsigned bit = 0; bit < model->bits; bit += thresholds) {
        row[count++] = (uint16_t)(offset + bands * passed(state->code, bit, thresholds));
        offset += bands * (thresholds + 1u);
        if (count == BLSH_ROWS_AT_ONCE || bit + thresholds == model->bits) {
            blsh_add_rows(state->voted.vote, model->bit_vote, row, count, bands);
            count = 0;
        }
    }
}

static inline int32_t limited(int32_t votes) {
    return votes < BLSH_LEAST_VOTES ? BLSH_LEAST_VOTES : votes > BLSH_MOST_VOTES ? BLSH_MOST_VOTES : votes;
}

void blsh_count_votes(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    for (unsigned dictionary = 0; dictionary < model->dictionaries; dictionary++) {
        add_neighbours(state, dictionary);
    }
    if (model->bit_vote != NULL) {
        add_bits(state);
    }
    const int32_t added = state->rule_votes;
    for (unsigned band = 0; band < model->mask_bands; band++) { /* over neighbours, and votes that are read */
        state->band_value[band] = (int16_t)limited(state->voted.vote[band] + added);
    }
}

void blsh_answer_votes(blsh_state_t *state) {
    const int16_t *const response = state->model->response_q14 + BLSH_RESPONSE_ORIGIN;
    for (unsigned band = 0; band < state->model->mask_bands; band++) {
        state->gain_q14[band] = response[blsh_rounded_shift(state->band_value[band], BLSH_RESPONSE_SHIFT)];
    }
}
