// SPDX-License-Identifier: Apache-2.0
/* The state of a stream. It is here so that its size is known; its members are the core's own and may change. A probe
 * may read them; no other code needs to. */
#ifndef BLSH_STATE_H
#define BLSH_STATE_H

#include <stdint.h>

#include "blsh_capacity.h"
#include "blsh_constants.h"
#include "blsh_format.h"

typedef struct {
    uint32_t index;    /* place of the entry in the dictionary */
    uint32_t distance; /* Hamming distance of its code, in bits */
} blsh_neighbour_t;

/* What follows from the limits of the core. */
#define BLSH_ONE_WINDOW                                                                                                \
    (BLSH_WINDOWS == BLSH_WINDOW_256 || BLSH_WINDOWS == BLSH_WINDOW_512 || BLSH_WINDOWS == BLSH_WINDOW_1024)
#define BLSH_MAX_WINDOW (BLSH_WINDOWS >= BLSH_WINDOW_1024 ? 1024u : BLSH_WINDOWS >= BLSH_WINDOW_512 ? 512u : 256u)
#define BLSH_MAX_BINS   (BLSH_MAX_WINDOW / 2u + 1u)
#define BLSH_MAX_BANDS  (BLSH_MAX_WINDOW == 1024u ? 80u : BLSH_MAX_WINDOW == 512u ? 64u : 48u) /* that are voted for */
/* Samples of a hop: what a buffer of input or output has to hold. */
#define BLSH_MAX_HOP                                                                                                   \
    (BLSH_ONE_GEOMETRY                         ? BLSH_MAX_WINDOW - BLSH_MAX_HISTORY                                    \
     : BLSH_MAX_WINDOW / 2u < BLSH_LARGEST_HOP ? BLSH_MAX_WINDOW / 2u                                                  \
                                               : BLSH_LARGEST_HOP)

/* Words that the search counts with: half of the planes of a code, filled up to a whole step of eight. */
#define BLSH_HALF_PLANES(bits) ((bits) / 2u + 8u)
#define BLSH_SEARCH_WORDS      (BLSH_HALF_PLANES(BLSH_MAX_BITS) + BLSH_RANK_WORDS)

/* Of them, those for small dictionaries: the entries that wait for their turn, four words for each bit of a distance. */
#define BLSH_RANK_WORDS ((BLSH_KINDS & BLSH_KIND_SMALL_VOTES) != 0u ? 4u * (BLSH_ZERO_BITS_LONG + 1u) : 0u)

/* Pairs of bands that `memory` features keep: none but where models vote, and an array has one at least. */
#define BLSH_PAIRS ((BLSH_KINDS & ~BLSH_KIND_MASKS) != 0u ? BLSH_MEMORY_PAIRS : 1u)

/* What `memory` features keep of a pair of bands: a floor, three means and two mean deviations of its level, in 1/64 of
 * a step. */
typedef struct {
    uint16_t floor, mean[3], deviation[2];
} blsh_memory_t;

/* The steps of a hop, but for the frame, work in one place, each on what the one before left there. */
typedef struct {
    int16_t magnitude[BLSH_ROW(BLSH_MAX_BINS > BLSH_MAX_FEATURES ? BLSH_MAX_BINS : BLSH_MAX_FEATURES)];
    int32_t level[BLSH_TRACKED_BANDS]; /* of bands: sums, then levels, until there are features */
} blsh_spectral_t;

/* Features of mel bands are written while later bands wait for their magnitudes. */
typedef struct {
    int16_t feature[BLSH_MAX_MEL_BANDS];
    int16_t magnitude[BLSH_MAX_BINS];
} blsh_filtered_t;

typedef struct {
    int16_t feature[BLSH_ROW(BLSH_MAX_FEATURES)]; /* in place of the magnitudes */
    int32_t accumulator[BLSH_MAX_PROJECTIONS];    /* until there is a code */
} blsh_projected_t;

typedef struct {
    uint32_t ranking[BLSH_MAX_FOUND]; /* the neighbours while they are searched, a word each */
    uint32_t scratch[BLSH_SEARCH_WORDS];
} blsh_searched_t;

typedef struct {
    blsh_neighbour_t
        neighbour[BLSH_MAX_FOUND]; /* dictionary after dictionary, the nearest first; of equal distances, */
    int32_t vote[BLSH_MAX_BANDS];  /* the lower index first */
} blsh_voted_t;

typedef struct {
    const blsh_model_t *model;

    /* From one hop to the next. */
    int16_t history[BLSH_MAX_HISTORY];               /* the last input samples, the oldest first */
    int16_t peak[BLSH_MAX_WINDOW / BLSH_PEAK_BLOCK]; /* the bits of magnitudes, or-ed, of each block of the frame */
    int32_t overlap[BLSH_MAX_OVERLAP];               /* sums of output samples that are not finished, Q23.8 */
    uint16_t ticks;                                  /* of 16 ms, done in this stream; stops at BLSH_MEMORY_START */
    uint16_t tick_samples;                           /* samples of the present tick that hops before brought */
    union {
        int32_t noise_floor[BLSH_TRACKED_BANDS]; /* magnitudes, Q22.8; of tracked features only */
        blsh_memory_t memory[BLSH_PAIRS];        /* of memory features only */
    };
    /* With smoothing only: the mask of the hop before; of a voting model its sums of votes, in 1/64 of a unit. */
    int16_t smoothed[BLSH_MAX_SMOOTHED];

    /* Within a hop only. Between two hops the caller may keep things in `frame`, which the next one overwrites. */
    struct {
        int32_t shift; /* left shift that brought the windowed frame to at most BLSH_PEAK_BITS bits */
        int32_t values[2u * BLSH_MAX_BINS]; /* windowed samples, then the spectrum (re, im), then samples again */
    } frame;
    union {
        blsh_spectral_t spectral;
        blsh_filtered_t filtered;
        blsh_projected_t projected;
        blsh_searched_t searched;
        blsh_voted_t voted;
        int16_t band_value[BLSH_MAX_BINS]; /* gains or sums of votes, before and after smoothing */
        int16_t gain_q14[BLSH_MAX_BINS];   /* of bands, then of bins */
    };
    uint32_t code[(BLSH_MAX_BITS + 31u) / 32u];
    int32_t rule_votes;   /* added to the sums of votes of all bands */
    uint16_t input_level; /* of the delayed input: the logarithm of its sum of squares */

    /* What the application sets for the hops that follow, and what it is told of the last one. */
    int16_t least_gain;   /* of a band, Q1.14, by the limit of attenuation; 0 without one */
    uint8_t activity;     /* 0 to 255 */
    uint8_t reduction_db; /* of the output, against the delayed input */
} blsh_state_t;

#endif
