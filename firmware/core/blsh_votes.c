// SPDX-License-Identifier: Apache-2.0
/* Stage `mask` of voting models (SPEC.md, 5): neighbours and bits vote for the gain of each band. */
#include <stddef.h>
#include <string.h>

#include "arch/blsh_rows.h"
#include "blsh_fixed.h"
#include "blsh_stages.h"

/* The votes of a dictionary's neighbours: their weighted mean, for the bands that it serves. */
static void add_neighbours(blsh_state_t *state, unsigned dictionary) {
    const blsh_model_t *model = state->model;
    const unsigned first = (unsigned)model->group_edge[dictionary];
    const unsigned bands = (unsigned)model->group_edge[dictionary + 1u] - first;
    const uint8_t *const weights = model->weight + BLSH_VOTE_WEIGHTS * dictionary;
    const blsh_neighbour_t *const found = state->voted.neighbour + dictionary * model->neighbours;
    const int8_t *const votes = model->vote + model->entries * first;
    int32_t *const sum = state->voted.vote + first;
    int32_t total = 0;
    for (unsigned n = 0; n < model->neighbours; n++) {
        const uint32_t behind = found[n].distance - found[0].distance;
        if (behind >= BLSH_VOTE_WEIGHTS) { /* and so are those that follow */
            break;
        }
        const int32_t weight = weights[behind];
        const int8_t *const vote = votes + (found[n].index - model->entries * dictionary) * bands;
        for (unsigned band = 0; band < bands; band++) {
            sum[band] += weight * vote[band];
        }
        total += weight;
    }
    const int32_t reciprocal = (1 << BLSH_VOTE_RECIPROCAL_BITS) / total;
    for (unsigned band = 0; band < bands; band++) {
        sum[band] = blsh_rounded_shift(sum[band] * reciprocal, BLSH_VOTE_SHIFT);
    }
}

/* The votes of the projections, each by how many of its thresholds it passes. */
static void add_bits(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const unsigned thresholds = model->thresholds;
    uint32_t row[BLSH_ROWS_AT_ONCE]; /* how many bytes behind the beginning the votes of a projection lie */
    const uint32_t *code = state->code;
    uint32_t bits = *code++, offset = 0;
    unsigned left = 32, count = 0;
    for (unsigned p = 0; p < model->projections; p++) {
        unsigned passed = 0;
        for (unsigned t = 0; t < thresholds; t++) {
            if (left == 0u) {
                bits = *code++;
                left = 32;
            }
            passed += bits & 1u;
            bits >>= 1;
            left--;
        }
        row[count++] = offset + BLSH_VOTE_BANDS * passed;
        offset += BLSH_VOTE_BANDS * (thresholds + 1u);
        if (count == BLSH_ROWS_AT_ONCE) {
            blsh_add_rows(state->voted.vote, model->bit_vote, row, count);
            count = 0;
        }
    }
    if (count != 0u) {
        blsh_add_rows(state->voted.vote, model->bit_vote, row, count);
    }
}

void blsh_count_votes(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    memset(state->voted.vote, 0, sizeof state->voted.vote);
    for (unsigned dictionary = 0; dictionary < model->dictionaries; dictionary++) {
        add_neighbours(state, dictionary);
    }
    if (model->bit_vote != NULL) {
        add_bits(state);
    }
    for (unsigned band = 0; band < BLSH_VOTE_BANDS; band++) { /* over neighbours, and votes that are read */
        const int32_t step = blsh_rounded_shift(state->voted.vote[band], BLSH_RESPONSE_SHIFT) + BLSH_RESPONSE_ORIGIN;
        const int32_t last = (int32_t)BLSH_RESPONSES - 1;
        state->gain_q14[band] = model->response_q14[step < 0 ? 0 : step > last ? last : step];
    }
}
