/* BLSH: a speech denoiser for microcontrollers that looks masks up instead of running a network.
 *
 *     static blsh_state_t state;                        // 10 to 13 KiB, the caller's, zeroed or not
 *
 *     int status = blsh_init(&state, &blsh_model);      // blsh_model: generated, read-only, in flash
 *     if (status < 0) fail(blsh_error_text(status));    // yours: say why, and stop
 *     for (;;) {                                        // every 16 ms at 16 kHz
 *         read_microphone(input, BLSH_HOP);
 *         blsh_hop(&state, input, output, NULL);
 *         write_speaker(output, BLSH_HOP);              // lags `input` by BLSH_HISTORY samples
 *     }
 *
 * No heap, no float, no recursion, no global state; nothing of libc but string.h. The same input and model give the
 * same output on every core and on the host: docs/SPEC.md defines each bit. The header is for C11 or C++11 and later,
 * the sources are C11. With BLSH_NO_ASM they have no inline assembler.
 */
#ifndef BLSH_H
#define BLSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#if __cplusplus < 201103L && !defined(_MSC_VER) /* whose number stays that of C++98 */
#error "blsh.h needs C++11 or later: compile with -std=c++11"
#endif
extern "C" {
#endif

/* The layout of blsh_model_t and the arithmetic behind it. Generated models name the format they were made for. */
#define BLSH_RUNTIME_FORMAT 4

#define BLSH_SAMPLE_RATE_HZ 16000u
#define BLSH_WINDOW 1024u
#define BLSH_HOP 256u
#define BLSH_HISTORY (BLSH_WINDOW - BLSH_HOP) /* samples by which the output lags the input */
#define BLSH_BINS (BLSH_WINDOW / 2u + 1u)
#define BLSH_TRACKED_BANDS 64u /* of BLSH_FEATURES_TRACKED; each makes two features */
#define BLSH_MAX_MEL_BANDS 128u /* of BLSH_FEATURES_MEL: with more, the arithmetic could overflow (SPEC.md, 7) */

#define BLSH_MAX_ENTRIES (UINT32_C(1) << 20) /* every offset into the dictionary fits 32 bits */

/* Limits of the state below; a model beyond them is refused by blsh_init. Compiled with BLSH_MODEL_LIMITS, the state
 * is just as large as the generated model needs: blsh_limits.h is generated beside it. */
#ifdef BLSH_MODEL_LIMITS
#include "blsh_limits.h"
#else
#define BLSH_MAX_BITS 320u
#define BLSH_MAX_NEIGHBOURS 32u
#define BLSH_MAX_SMOOTHED BLSH_BINS /* bands of a mask with smoothing */
#endif

/* Results: 0, or a negative error. */
#define BLSH_ERRORS(X) \
    X(BLSH_OK, 0, "ok") \
    X(BLSH_ERR_ARGUMENT, -1, "a pointer is NULL") \
    X(BLSH_ERR_FORMAT, -2, "the model was generated for another runtime format") \
    X(BLSH_ERR_FEATURES, -3, "the model's feature kind or count is unknown, or its mel bands are not what they may be") \
    X(BLSH_ERR_BITS, -4, "the model has no bits, or more than BLSH_MAX_BITS, or a radius beyond its bits") \
    X(BLSH_ERR_NEIGHBOURS, -5, "the model wants no neighbour, or more than BLSH_MAX_NEIGHBOURS") \
    X(BLSH_ERR_ENTRIES, -6, "the dictionary has fewer entries than neighbours, or more than BLSH_MAX_ENTRIES") \
    X(BLSH_ERR_DICTIONARY_CRC, -7, "the dictionary's CRC is not the generated one") \
    X(BLSH_ERR_MASKS, -8, "the model's masks or their smoothing are unknown, or a gain is not 0 to 1")

enum {
#define BLSH_ENUM(name, value, text) name = (value),
    BLSH_ERRORS(BLSH_ENUM)
#undef BLSH_ENUM
};

/* One line of English for a result. */
const char *blsh_error_text(int result);

/* ---- the model ------------------------------------------------------------------------------------------------ */

enum { BLSH_FEATURES_STFT = 0, BLSH_FEATURES_MEL = 1, BLSH_FEATURES_TRACKED = 2 };

#define BLSH_ROW(features) (((features) + 7u) & ~7u) /* weights of a row in memory: eight at a time */

/* Words of a mask: its levels, one after the other, the lowest bits first. */
#define BLSH_MASK_WORDS(bands, level_bits) (((bands) * (level_bits) + 31u) / 32u)

/* Words of a block of 32 entries: the number of zeros of each code, the codes, and one word of zeros (SPEC.md, 3). */
#define BLSH_ZERO_BITS(bits) ((bits) < 64u ? 6u : 9u)
#define BLSH_PLANES(bits) (BLSH_ZERO_BITS(bits) + (bits) + 1u)

/* Read-only tables, made by `blsh generate`. Row-major. */
typedef struct {
    uint32_t runtime_format;     /* BLSH_RUNTIME_FORMAT of the generator */
    const char *name;
    uint8_t model_sha256[32];    /* of the artifact it was generated from */
    uint32_t dictionary_crc32;   /* CRC-32/ISO-HDLC of planes, bounds and masks, as little-endian words */
    uint16_t feature_kind;       /* BLSH_FEATURES_... */
    uint16_t features;           /* D: 513 (stft), the number of mel bands, at most 128, or 128 (tracked) */
    uint16_t bits;               /* L */
    uint16_t neighbours;         /* K */
    uint32_t entries;            /* N */
    uint16_t radius;             /* R: no entry is farther than this from the centre of its block */
    uint16_t mask_bands;         /* W: BLSH_BINS of an IBM, else at most BLSH_BINS / 2 */
    uint16_t mask_level_bits;    /* g, of each band: 1 of an IBM, else 1, 2 or 4 */
    uint16_t smoothing;          /* a: of each mask a / 16 are the one before; 0 to 15 */
    const int8_t *projection_q7;   /* [bits][BLSH_ROW(features)], each row scaled to its own peak; zeros behind it; on a
                                      word, and in each word weights 0, 2, 1, 3 */
    const int16_t *bias_q3;        /* [bits], in eighths, at the scale of its row */
    const uint32_t *planes;        /* [blocks of 32 entries][BLSH_PLANES(bits)]: bit j of a word is of entry 32 b + j */
    const uint32_t *bounds;        /* [groups of 32 blocks][bits of radius + BLSH_PLANES(bits)]: where blocks lie */
    const uint32_t *masks;         /* [entries][BLSH_MASK_WORDS(mask_bands, mask_level_bits)]: band after band */
    const int16_t *gain_q14;       /* [neighbours * (2^g - 1) + 1]: gain for each sum of levels, not below the floor */
    const int16_t *band_edge;      /* [mask_bands + 1]: first bin of a band w of a mask, not below w; NULL for IBMs */
    const int16_t *mel_first;      /* [bands]: first bin of band m, not below m; mel and tracked only, else NULL */
    const int16_t *mel_count;      /* [bands]: bins of a band */
    const int16_t *mel_weight_q16; /* weights of all bands, one after the other; those of a band sum to at most 2^16 */
} blsh_model_t;

/* The CRC of the dictionary as it stands in memory now; compare with model->dictionary_crc32. */
uint32_t blsh_dictionary_crc32(const blsh_model_t *model);

/* ---- the state ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint32_t index;    /* dictionary entry */
    uint32_t distance; /* Hamming, bits */
} blsh_neighbour_t;

/* Everything a stream needs between and within hops. Caller-owned; read it in a probe, never write it. */
typedef struct {
    const blsh_model_t *model;
    int16_t history[BLSH_HISTORY];             /* the last input samples, oldest first */
    int16_t peak[BLSH_WINDOW / 64u];           /* bits of the magnitudes, or-ed, of each 64 samples of the frame */
    int32_t overlap[BLSH_HISTORY];             /* unfinished output sums, Q23.8, 3/2 too large */
    uint32_t hops;                             /* done in this stream; stops at 32 */
    int32_t noise_floor[BLSH_TRACKED_BANDS];   /* Q22.8; tracked only */
    int16_t smoothed_q14[BLSH_MAX_SMOOTHED];   /* the mask of the hop before, each bin or band; with smoothing only */
    struct {                                   /* within a hop only: between two the caller may keep things here */
        int32_t shift;                         /* left shift that brought the windowed frame to at most 28 bits */
        int32_t values[2u * BLSH_BINS];        /* windowed samples, then spectrum, then samples again */
    } frame;
    union {
        int16_t feature[BLSH_ROW(BLSH_BINS)];  /* the magnitudes, then the features in their place */
        int16_t gain_q14[BLSH_BINS];           /* after the code is known */
    };
    union {
        int32_t level[BLSH_TRACKED_BANDS];     /* Q22.8; until there are features */
        int32_t accumulator[BLSH_MAX_BITS];    /* until there is a code */
        uint32_t place[BLSH_MAX_BITS / 2u + 8u]; /* after: what the search counts */
    };
    uint32_t code[(BLSH_MAX_BITS + 31u) / 32u];
    blsh_neighbour_t neighbour[BLSH_MAX_NEIGHBOURS]; /* nearest first; equal distances by index */
} blsh_state_t;

/* Start a stream: check `model` and clear `state`. Does not read the whole dictionary: see blsh_dictionary_crc32. */
int blsh_init(blsh_state_t *state, const blsh_model_t *model);

/* ---- the work ------------------------------------------------------------------------------------------------- */

/* The points of a hop that a probe sees, in order, and the values it finds there (SPEC.md, 8). */
#define BLSH_STAGES(X) \
    X(BLSH_STAGE_WINDOW, "window")             /* int32 shift, int32[1024] windowed samples */ \
    X(BLSH_STAGE_SPECTRUM, "spectrum")         /* int32[513][2] */ \
    X(BLSH_STAGE_FEATURES, "features")         /* int16[D] */ \
    X(BLSH_STAGE_ACCUMULATORS, "accumulators") /* int32[L] */ \
    X(BLSH_STAGE_CODE, "code")                 /* uint32[words] */ \
    X(BLSH_STAGE_NEIGHBOURS, "neighbours")     /* blsh_neighbour_t[K] */ \
    X(BLSH_STAGE_MASK, "mask")                 /* int16[513] gains, Q1.14 */ \
    X(BLSH_STAGE_OUTPUT, "output")             /* int16[256] */

typedef enum {
#define BLSH_ENUM(name, text) name,
    BLSH_STAGES(BLSH_ENUM)
#undef BLSH_ENUM
    BLSH_STAGE_COUNT
} blsh_stage_t;

const char *blsh_stage_name(blsh_stage_t stage);

/* Called after each stage with its values, which are valid during the call only. */
typedef struct {
    void (*stage_done)(void *context, blsh_stage_t stage, const void *values, size_t bytes);
    void *context;
} blsh_probe_t;

/* Denoise the next BLSH_HOP samples. `output` may be `input`. `probe` is for tests and measurements, or NULL.
 * The first BLSH_HISTORY output samples precede the signal; feed zeros to get its last ones out. */
void blsh_hop(blsh_state_t *state, const int16_t input[BLSH_HOP], int16_t output[BLSH_HOP],
              const blsh_probe_t *probe);

#ifdef __cplusplus
}
#endif

#endif
