// SPDX-License-Identifier: Apache-2.0
/* The model as the core reads it: what `blsh generate` writes and `blsh push` sends. A user of the core takes a model
 * as it is and needs none of this; docs/SPEC.md, 3 says how the tables come about. */
#ifndef BLSH_FORMAT_H
#define BLSH_FORMAT_H

#include <stdint.h>

#include "blsh_constants.h"

enum { BLSH_FEATURES_STFT = 0, BLSH_FEATURES_MEL = 1, BLSH_FEATURES_TRACKED = 2, BLSH_FEATURES_MEMORY = 3 };

/* The projection as it lies in memory. Four rows are read at once, eight weights of each. Weights are raised, so that
 * they are bytes without a sign. */
#define BLSH_ROW(features)              (((features) + 7u) & ~7u)                    /* weights of a row */
#define BLSH_PROJECTION(rows, features) ((((rows) + 3u) & ~3u) * BLSH_ROW(features)) /* bytes of all rows */
#define BLSH_RAISED_BY                  128                                          /* a byte less its weight */

/* Words of a mask: the levels of its bands, one after the other, the lowest bits first. */
#define BLSH_MASK_WORDS(bands, level_bits) (((bands) * (level_bits) + 31u) / 32u)

/* Words of a block of 32 entries: the number of zeros of each code, the codes, and one word of zeros. */
#define BLSH_ZERO_BITS(bits) ((bits) < BLSH_LONG_CODE_BITS ? BLSH_ZERO_BITS_SHORT : BLSH_ZERO_BITS_LONG)
#define BLSH_PLANES(bits)    (BLSH_ZERO_BITS(bits) + (bits) + 1u)

/* Read-only tables, row-major. Tables of bytes and of words begin on a word; those of int16_t on an int16_t.
 * A voting model is one whose `vote` is not NULL. It has no biases, masks and gains; any other has one dictionary, one
 * threshold for each projection, and NULL for the tables of votes. */
typedef struct {
    uint32_t runtime_format;  /* BLSH_RUNTIME_FORMAT of the generator */
    const char *name;         /* for people; the core does not read it */
    uint8_t model_sha256[32]; /* digest of the artifact that the model was generated from */
    /* CRC-32/ISO-HDLC of planes, bounds and masks, as little-endian words; of a voting model of planes, bounds, votes,
     * weights and the votes of bits, if it has any */
    uint32_t dictionary_crc32;
    uint16_t feature_kind;    /* BLSH_FEATURES_... */
    uint16_t features;        /* D: bins (stft), mel bands, at most 128, 128 (tracked) or 257 (memory) */
    uint16_t bits;            /* L: bits of a code, projections * thresholds */
    uint16_t neighbours;      /* K: neighbours, in each dictionary, whose masks are averaged */
    uint32_t entries;         /* N: entries of one dictionary */
    uint16_t radius;          /* R: no entry is farther than this from the centre of its block; 0 without bounds */
    uint16_t mask_bands;      /* W: bins of an IBM, else at most half as many; of a voting model a multiple of 16 */
    uint16_t mask_level_bits; /* g: bits of the level of a band: 1 of an IBM, else 1, 2 or 4; 8 of a voting model */
    uint16_t smoothing;       /* a: of each mask, or sum of votes, a / 16 are the one before, where it does not fall */
    uint16_t smoothing_down;  /* a where it falls, 0 to 15; `smoothing` unless it is a voting model */
    uint16_t projections;     /* P: rows of the projection */
    uint16_t thresholds;      /* T: thresholds, and so bits, of each projection; 1 unless it is a voting model */
    uint16_t dictionaries;    /* G: each serves a group of neighbouring bands; 1 unless it is a voting model */
    uint16_t start_votes;     /* 0 to 255, in 1/64 of a unit, added to all sums of votes; fades in 64 ticks */
    uint16_t steady_votes;    /* 0 to 255, taken from them in a steady hop, later; both are 0 with masks */
    uint16_t rate_hz;         /* samples a second: 16000 or 8000 */
    uint16_t window;          /* N: samples of a frame: 1024, 512 or 256. A spectrum has N / 2 + 1 bins */
    uint16_t hop;             /* H: samples from one frame to the next: 64 or more, a power of two, at most 16 ms */
    uint16_t synthesis;       /* M: the last samples of a frame that are made again: a power of two, 2 H to N */
    uint16_t log_origin;  /* the logarithm, in steps, of the level that counts as 0; 0 unless it is a voting model */
    uint16_t attenuation; /* dB, 0 to 60: the limit that a stream begins with; BLSH_ATTENUATION_OFF for none */
    /* [projections / 4][BLSH_ROW(features) / 8][4][8]: eight weights of each of four rows, then the next eight. Each
     * row is scaled to its own peak, or of a voting model as it was learned; weights of 0 fill up rows and fours of
     * rows. Each four weights lie in the order 0, 2, 1, 3 */
    const uint8_t *projection_q7;
    const int16_t *window_q14;    /* [N]: of analysis; rises up to sample N - M / 2, and falls from there on */
    const int16_t *synthesis_q14; /* [M]: of synthesis; `window_q14` where M = N */
    const int16_t *bias_q3;       /* [bits]: in eighths, at the scale of its row */
    /* [dictionaries][blocks][BLSH_PLANES(bits)]: bit j of a word belongs to entry 32 b + j of block b */
    const uint32_t *planes;
    /* [dictionaries][groups of 32 blocks][bits of radius + BLSH_PLANES(bits)]: where the blocks lie; NULL for a voting
     * model of at most BLSH_SMALL_ENTRIES entries */
    const uint32_t *bounds;
    const uint32_t *masks;   /* [entries][BLSH_MASK_WORDS(mask_bands, mask_level_bits)]: band after band */
    const int16_t *gain_q14; /* [neighbours * (2^g - 1) + 1]: the gain for each sum of levels, not below the floor */
    /* [mask_bands + 1]: the first bin of band w of a mask, not below w, and the bins at the end; NULL for IBMs */
    const int16_t *band_edge;
    const int16_t *mel_first;      /* [bands]: the first bin of a band; NULL for stft, as the next two */
    const int16_t *mel_count;      /* [bands]: bins of a band; it may have none */
    const int16_t *mel_weight_q16; /* weights of all bands, one after the other; those of a band sum to at most 2^16 */
    const int32_t *threshold;      /* [projections][thresholds]: ascending; NULL for a threshold of 0, beside a bias */
    const int16_t *group_edge; /* [dictionaries + 1]: the first band of each dictionary, and mask_bands at the end */
    /* dictionary after dictionary, [entries][bands of the dictionary]: in 1/16 of a unit of log odds */
    const int8_t *vote;
    /* [dictionaries][BLSH_VOTE_WEIGHTS]: of a neighbour, by its distance less the nearest's */
    const uint8_t *weight;
    /* [projections][thresholds + 1][mask_bands]: votes, in 1/64 of a unit, of a projection by the thresholds that it
     * passes; NULL where only neighbours vote */
    const int8_t *bit_vote;
    const int16_t *response_q14; /* [BLSH_RESPONSES]: the gain for each sum of votes, not falling */
} blsh_model_t;

#endif
