// SPDX-License-Identifier: Apache-2.0
/* The numbers of docs/SPEC.md. In C each stands here and nowhere else. Python's stand in
 * codegen/blsh_codegen/spec/constants.py; every build of the core for tests compares the two. */
#ifndef BLSH_CONSTANTS_H
#define BLSH_CONSTANTS_H

/* The layout of blsh_model_t and the arithmetic behind it. A generated model names the format it was made for. */
#define BLSH_RUNTIME_FORMAT 6

/* ---- frames (SPEC.md, 1) ---- */

/* The sizes of a frame. A core may be compiled for some of them only: BLSH_WINDOWS has a bit for each. */
#define BLSH_WINDOW_256  1u
#define BLSH_WINDOW_512  2u
#define BLSH_WINDOW_1024 4u

#define BLSH_LEAST_HOP   64u  /* samples from one frame to the next: those that share one bound of their peak */
#define BLSH_LARGEST_HOP 256u /* and at most 16 ms, a tick, in which the past of features moves on once */

/* ---- window and overlap-add (SPEC.md, 4 and 6) ---- */

#define BLSH_PEAK_BITS             28    /* bits of a shifted frame, at most: then the transform cannot overflow */
#define BLSH_PEAK_BLOCK            64u   /* samples that share one bound of their peak */
#define BLSH_OVERLAP_FRACTION_BITS 8     /* bits of the sums of overlap-add */
#define BLSH_THIRD_Q16             21845 /* 1/3: squared Hann windows sum to 3/2 2^k; the last shift is one bit less */

/* ---- features (SPEC.md, 5) ---- */

#define BLSH_FEATURE_BITS 14 /* bits of a bin's parts from which its magnitude is computed */

/* A modulus is the largest of three sums `larger part * first + smaller part * second`, Q0.14. */
#define BLSH_FLAT_Q14   16314, 2148
#define BLSH_MIDDLE_Q14 15202, 6297
#define BLSH_STEEP_Q14  13054, 10017

#define BLSH_MAX_MEL_BANDS       128u  /* more could overflow the norm of the features (SPEC.md, 7) */
#define BLSH_MEL_SUM_MAX         65536 /* sum of a band's weights, Q0.16: no feature exceeds its largest magnitude */
#define BLSH_TRACKED_BANDS       64u   /* each makes two features: its level and its noise floor */
#define BLSH_TRACKED_BITS        14    /* bits of tracked features: rounding the largest up still fits int16 */
#define BLSH_TRACKING_START      32u   /* ticks in which a noise floor rises as fast as it falls */
#define BLSH_TRACKING_FAST_SHIFT 2     /* a floor moves by 1/4 of its distance from the level */
#define BLSH_TRACKING_SLOW_SHIFT 7     /* a floor that rises slowly moves by 1/128 */

#define BLSH_MEMORY_FEATURES      257u /* of 64 bands, 32 pairs and the whole frame */
#define BLSH_MEMORY_PAIRS         32u  /* of neighbouring bands: each has a floor, three means and two deviations */
#define BLSH_MEMORY_START         64u  /* ticks in which means adapt faster, and to which ticks are counted */
#define BLSH_MEMORY_FRACTION_BITS 6    /* bits of a pair's state below a step of its level */
#define BLSH_MEMORY_FAST_SHIFT    2    /* a floor, or the fastest mean, moves by 1/4 of its distance */
#define BLSH_MEMORY_MIDDLE_SHIFT  4    /* the middle mean and the faster deviation move by 1/16 */
#define BLSH_MEMORY_SLOW_SHIFT    6    /* a floor that rises slowly, slowest mean and deviation move by 1/64 */
#define BLSH_LOG_FRACTION_BITS    5    /* bits of a binary logarithm: 32 steps an octave */
#define BLSH_LOG_INDEX_BITS       6    /* bits behind the leading one that a logarithm is looked up by */
#define BLSH_LEAST_LOG_ORIGIN     512  /* limits of the logarithm, in steps, of the level that counts as 0 */
#define BLSH_MOST_LOG_ORIGIN      1023

/* ---- projection (SPEC.md, 5) ---- */

#define BLSH_NORM_BITS          15 /* bits of the norm that a bias is multiplied by */
#define BLSH_BIAS_FRACTION_BITS 3  /* bits of a bias */

/* ---- dictionary (SPEC.md, 3) ---- */

#define BLSH_BLOCK           32u      /* entries of a block, and blocks of a group: bits of a word */
#define BLSH_LONG_CODE_BITS  64u      /* codes of this length or longer have BLSH_ZERO_BITS_LONG planes of zeros */
#define BLSH_ZERO_BITS_SHORT 6u       /* planes that hold the number of zeros of a shorter code */
#define BLSH_ZERO_BITS_LONG  9u       /* planes that hold the number of zeros of a longer code */
#define BLSH_MAX_ENTRIES     1048576u /* every offset into the dictionary then fits 32 bits */
#define BLSH_MAX_SMOOTHING   15u      /* sixteenths of a mask that may come from the mask before it */
#define BLSH_GAIN_ONE_Q14    16384    /* a gain of 1 */

/* ---- votes (SPEC.md, 5) ---- */

#define BLSH_MAX_THRESHOLDS       4u     /* of a projection */
#define BLSH_MAX_DICTIONARIES     80u    /* one for each band */
#define BLSH_VOTE_BANDS           80u    /* bands of a mask that is voted for, at most; always a multiple of 16 */
#define BLSH_VOTE_LEVEL_BITS      8u     /* bits of a vote */
#define BLSH_VOTE_WEIGHTS         32u    /* a neighbour farther behind the nearest has no weight */
#define BLSH_VOTE_RECIPROCAL_BITS 23     /* bits of 1 / the sum of weights */
#define BLSH_VOTE_SHIFT           21     /* from a vote times the reciprocal to 1/64 of a unit */
#define BLSH_LEAST_VOTES          (-256) /* limits of a band's sum */
#define BLSH_MOST_VOTES           384
#define BLSH_START_SHIFT          6    /* the votes of a start fade within BLSH_MEMORY_START ticks */
#define BLSH_STEADY_RISE          256  /* of two bands above their slow mean, in a hop that counts as steady */
#define BLSH_STEADY_DEVIATION     224  /* of a pair of bands: 7/16 octave */
#define BLSH_MAX_RULE_VOTES       255u /* of the votes that a rule adds or takes */
#define BLSH_RESPONSE_SHIFT       2    /* from 1/64 of a unit to a step of the response */
#define BLSH_RESPONSE_ORIGIN      128  /* the index of a sum of 0 */
#define BLSH_RESPONSES            256u /* gains of the response */

/* ---- limit of attenuation, and what a hop tells (SPEC.md, 5 and 6.4) ---- */

#define BLSH_MOST_ATTENUATION 60u  /* dB by which a band may be lowered, as far as there is a limit */
#define BLSH_ATTENUATION_OFF  255u /* no limit */
#define BLSH_ENERGY_SHIFT     20   /* of a sum of squared gains: 255 times the rest fits 32 bits */
#define BLSH_MOST_ACTIVITY    255u /* that of gains of 1 */
#define BLSH_STEP_DB_Q16      6165 /* 10 log10(2) / 32: dB of a step of the logarithm of a sum of squares */

/* ---- kinds of models, by what code they need; a core may be compiled for some of them only ---- */

#define BLSH_KIND_MASKS       1u   /* models with masks */
#define BLSH_KIND_SMALL_VOTES 2u   /* voting models whose dictionaries have at most BLSH_SMALL_ENTRIES each */
#define BLSH_KIND_LARGE_VOTES 4u   /* other voting models */
#define BLSH_SMALL_ENTRIES    128u /* in so small a dictionary all entries are put in order */

#endif
