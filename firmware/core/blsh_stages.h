/* The steps of a hop, in order, each on the state that the one before it left. For blsh_hop and its tests only. */
#ifndef BLSH_STAGES_H
#define BLSH_STAGES_H

#include "blsh.h"

#define BLSH_TRACKING_START 32u /* hops in which a noise floor rises as fast as it falls */

/* Words of a mask in the dictionary. */
static inline unsigned blsh_mask_words(const blsh_model_t *model) {
    return model->mask_kind == BLSH_MASKS_IBM ? (BLSH_BINS + 31u) / 32u : (4u * BLSH_MASK_BANDS + 31u) / 32u;
}

void blsh_window_frame(blsh_state_t *state, const int16_t input[BLSH_HOP]); /* frame.shift, frame.values */
const int16_t *blsh_extract_features(blsh_state_t *state);                  /* magnitude, feature; returns the features */
void blsh_track_floors(blsh_state_t *state, int32_t exponent);              /* level, noise_floor, feature */
void blsh_project(blsh_state_t *state, const int16_t *features);            /* accumulator */
void blsh_sign_bits(blsh_state_t *state);                                   /* code */
void blsh_find_neighbours(blsh_state_t *state);                             /* neighbour */
void blsh_average_masks(blsh_state_t *state);                               /* gain_q14 */
void blsh_apply_gains(blsh_state_t *state);                                 /* frame.values: masked spectrum */
void blsh_overlap_add(blsh_state_t *state, int16_t output[BLSH_HOP]);       /* overlap, output */

#endif
