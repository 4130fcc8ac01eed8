// SPDX-License-Identifier: Apache-2.0
/* The steps of a hop, in order, each on the state that the one before it left. For blsh_hop and its tests only. Behind
 * each step stands what it writes. */
#ifndef BLSH_STAGES_H
#define BLSH_STAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "blsh_state.h"

/* What a step asks of a model before it takes code that only one kind needs. Where the core is compiled for one of two
 * kinds the answer is a constant, and the code for the other is left out. */

/* Whether it is a voting model. */
static inline bool blsh_votes(const blsh_model_t *model) {
    return (BLSH_KINDS & ~BLSH_KIND_MASKS) != 0u && ((BLSH_KINDS & BLSH_KIND_MASKS) == 0u || model->vote != NULL);
}

/* Whether its dictionaries are so small that all entries are put in order; it has no bounds then. */
static inline bool blsh_ranks(const blsh_model_t *model) {
    return (BLSH_KINDS & BLSH_KIND_SMALL_VOTES) != 0u &&
           (BLSH_KINDS == BLSH_KIND_SMALL_VOTES || (blsh_votes(model) && model->entries <= BLSH_SMALL_ENTRIES));
}

/* The geometry of a model. Where the core is compiled for one these are constants, and loops over a frame have
 * constant ends. */

/* N: samples of a frame. */
static inline unsigned blsh_window_of(const blsh_model_t *model) {
    return BLSH_ONE_WINDOW ? BLSH_MAX_WINDOW : model->window;
}

/* Complex points of the transforms; there is a bin for each, and one more. */
static inline unsigned blsh_points_of(const blsh_model_t *model) { return blsh_window_of(model) / 2u; }
static inline unsigned blsh_bins_of(const blsh_model_t *model) { return blsh_points_of(model) + 1u; }

/* H: samples of a hop. */
static inline unsigned blsh_hop_of(const blsh_model_t *model) { return BLSH_ONE_GEOMETRY ? BLSH_MAX_HOP : model->hop; }

/* M: the last samples of a frame, which are made again. */
static inline unsigned blsh_synthesis_of(const blsh_model_t *model) {
    return BLSH_ONE_GEOMETRY ? BLSH_MAX_HOP + BLSH_MAX_OVERLAP : model->synthesis;
}

/* Whether a tick begins with this hop: then the past that features keep moves on. */
static inline bool blsh_tick_begins(const blsh_state_t *state) {
    return (BLSH_ONE_GEOMETRY && BLSH_MAX_HOP == BLSH_LARGEST_HOP) || state->tick_samples == 0u;
}

/* Whether it is the first hop of a stream. */
static inline bool blsh_first_hop(const blsh_state_t *state) { return state->ticks == 0u && blsh_tick_begins(state); }

/* Words of a mask in the dictionary. */
static inline unsigned blsh_mask_words(const blsh_model_t *model) {
    return BLSH_MASK_WORDS((unsigned)model->mask_bands, (unsigned)model->mask_level_bits);
}

void blsh_window_frame(blsh_state_t *state, const int16_t *input); /* frame.shift, frame.values */
void blsh_hear_input(blsh_state_t *state);                         /* input_level; before history moves on */
void blsh_extract_features(blsh_state_t *state);                   /* feature */
void blsh_track_floors(blsh_state_t *state, int32_t exponent);     /* level, noise_floor, feature */
void blsh_remember(blsh_state_t *state, int32_t exponent);         /* level, memory, feature, rule_votes */
void blsh_project(blsh_state_t *state);                            /* accumulator */
void blsh_make_code(blsh_state_t *state);                          /* code */
void blsh_find_neighbours(blsh_state_t *state);                    /* neighbour */
void blsh_count_votes(blsh_state_t *state);                        /* band_value: sums of votes */
void blsh_answer_votes(blsh_state_t *state);                       /* from band_value to gain_q14 of bands */
void blsh_find_gains(blsh_state_t *state);                         /* gain_q14 of bins */
void blsh_limit_gains(blsh_state_t *state);                        /* activity; gain_q14 of bands raised to the least */
void blsh_synthesise(blsh_state_t *state, int16_t *output);        /* frame.values, overlap, output */
void blsh_compare_levels(blsh_state_t *state, const int16_t *output); /* reduction_db */

/* Find in each dictionary the K entries nearest to `code`, by (distance, index). `scratch` takes
 * BLSH_SEARCH_WORDS words, or model->bits / 2 + 8 + BLSH_RANK_WORDS. It may lie within the second half of `found`, which is written once
 * it is read. */
void blsh_find_nearest(const blsh_model_t *model, const uint32_t *code, uint32_t *scratch, blsh_neighbour_t *found);

#endif
