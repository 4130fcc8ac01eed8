// SPDX-License-Identifier: Apache-2.0
/* BLSH: a speech denoiser for microcontrollers that looks masks up instead of running a network.
 *
 *     static blsh_state_t state;                        // one for each stream; too large for most stacks
 *
 *     int status = blsh_init(&state, &blsh_model);      // blsh_model: generated, read-only, in flash
 *     if (status < 0) fail(blsh_error_text(status));    // yours: say why, and stop
 *     for (;;) {                                        // a hop at a time, BLSH_MODEL_RATE_HZ samples a second
 *         read_microphone(input, BLSH_MODEL_HOP);
 *         blsh_hop(&state, input, output, NULL);
 *         write_speaker(output, BLSH_MODEL_HOP);        // BLSH_MODEL_DELAY_SAMPLES behind `input`
 *     }
 *
 * Signals are mono, 16 bits, 16 000 or 8 000 samples a second, and come a hop at a time: 256, 128 or 64 samples. Rate,
 * hop and delay are the model's: blsh_model.h has them as numbers, and a program that runs any model reads
 * `rate_hz` and `hop` of it, and blsh_delay_samples(). From a sample's arrival to its output it takes 64 to 8 ms.
 * The same input and model give the same output on every core and on the host: docs/SPEC.md defines each bit.
 *
 * What it takes, of a model with L = 50 bits, K = 10 neighbours, 4 096 entries and `mel` features, with 16 kHz, windows
 * of 1024 samples and hops of 256; gcc 12 at -O2:
 *
 *     | core | instructions a hop, mean | most      | code    | stack | RAM: blsh_state_t |
 *     | ---- | ------------------------ | --------- | ------- | ----- | ----------------- |
 *     | M0   |                  380 000 |   405 000 |  10 800 |   728 |            10 300 |
 *     | M3   |                  170 000 |   184 000 |   9 500 |   712 |            10 300 |
 *     | M4   |                  142 000 |   156 000 |   8 900 |   712 |            10 300 |
 *     | M7   |                  142 000 |   157 000 |   9 000 |   720 |            10 300 |
 *     | M33  |                  143 000 |   157 000 |   8 900 |   712 |            10 300 |
 *     | M55  |                   68 000 |    73 000 |   8 900 | 1 040 |            10 300 |
 *
 * Sizes are bytes. Instructions are not cycles; docs/results/bench-firmware.md has both. The tables of the model come
 * on top of the code: 324 KB of that one, 136 KB of the extended system with 64 bits and as many entries
 * (BLSH_MODEL_FLASH_BYTES of blsh_model.h).
 *
 * Memory. No heap, no float, no recursion; nothing of libc but string.h. All that is written is the state, which the
 * caller gives; all that is read besides are constants. There are no other variables.
 *
 * Interrupts and tasks. A state belongs to one caller at a time. With a state of its own, each task may call every
 * function here at any moment, also while another is within one. No function waits, or turns interrupts off. An
 * interrupt may call blsh_hop, but would take milliseconds: let a DMA fill one buffer meanwhile, and call blsh_hop from
 * the main loop or a task.
 *
 * Set-up of the core. Code for Helium (M55, M85) uses the vector registers. Your program must let them through in CPACR
 * before the first call, as SystemInit of CMSIS does, and a scheduler must save them. Code for M3 and later may read
 * words at addresses that are multiples of 2 only. Where CCR.UNALIGN_TRP is set, compile with -mno-unaligned-access.
 *
 * Compilers. The headers are for C11, or C++11 and later; the sources are C11, for gcc and clang, and for little-endian
 * machines. With BLSH_NO_ASM they have no inline assembler; the results are the same.
 *
 * Three headers: this one is for the user of the denoiser; blsh_format.h says what a model is, for a program that
 * generates one; blsh_state.h is private, and here only so that the compiler knows how large a state is. The order in
 * which to read the sources is in firmware/core/README.md of the project. */
#ifndef BLSH_H
#define BLSH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#if __cplusplus < 201103L && !defined(_MSC_VER) /* whose number stays that of C++98 */
#error "blsh.h needs C++11 or later: compile with -std=c++11"
#endif
extern "C" {
#endif

#include "blsh_constants.h"
#include "blsh_format.h"
#include "blsh_state.h"

/* The version of this core; the one of the package blsh-mcu that it comes from. The format of models has a number of
 * its own, BLSH_RUNTIME_FORMAT. */
#define BLSH_VERSION_MAJOR 0u
#define BLSH_VERSION_MINOR 1u
#define BLSH_VERSION_PATCH 0u

/* ---- results ---------------------------------------------------------------------------------------------------- */

/* Results: 0, or a negative error; each with a name, a number and a line of English. */
// clang-format off: a row each, which blsh_codegen reads
#define BLSH_ERRORS(X) \
  X(BLSH_OK, 0, "ok") \
  X(BLSH_ERR_ARGUMENT, -1, "a pointer is NULL") \
  X(BLSH_ERR_FORMAT, -2, "the model was generated for another runtime format") \
  X(BLSH_ERR_FEATURES, -3, "the model's feature kind or count is unknown, or its mel bands are not what they may be") \
  X(BLSH_ERR_BITS, -4, "the model has no bits, too many, fewer than its radius, or not those of its thresholds") \
  X(BLSH_ERR_NEIGHBOURS, -5, "the model wants no neighbour, or more than BLSH_MAX_NEIGHBOURS or BLSH_MAX_FOUND") \
  X(BLSH_ERR_ENTRIES, -6, "the dictionary has fewer entries than neighbours, or more than BLSH_MAX_ENTRIES") \
  X(BLSH_ERR_DICTIONARY_CRC, -7, "the dictionary's CRC is not the generated one") \
  X(BLSH_ERR_MASKS, -8, "the model's masks, smoothing or votes of rules are unknown, or a gain is not 0 to 1") \
  X(BLSH_ERR_VOTES, -9, "the model's groups do not cover its bands, or its weights rise, or its response falls") \
  X(BLSH_ERR_KIND, -10, "the core was compiled for models of other kinds: with masks, with votes, or larger ones") \
  X(BLSH_ERR_GEOMETRY, -11, "the model's rate, hop and windows do not go together, or the core is for others") \
  X(BLSH_ERR_ATTENUATION, -12, "the limit of attenuation is neither 0 to 60 dB nor BLSH_ATTENUATION_OFF")
// clang-format on

enum {
#define BLSH_ENUM(name, value, text) name = (value),
    BLSH_ERRORS(BLSH_ENUM)
#undef BLSH_ENUM
};

/* Explain a result.
 *
 * result   what a function here returned; any other number is "unknown result"
 * Returns a line of English that ends with 0, a constant: it is never NULL, and need not be freed. */
const char *blsh_error_text(int result);

/* ---- a stream --------------------------------------------------------------------------------------------------- */

/* Start a stream: check the model, and clear the state.
 *
 * state    the caller's, in RAM, aligned as its type asks: 4 bytes on a Cortex-M. What it held does not matter. To
 *          start anew, call this again
 * model    stays the caller's, and must stay as it is as long as the stream is used: the state points to it. Any number
 *          of streams may share one
 * Returns BLSH_OK; or BLSH_ERR_ARGUMENT for a NULL, of the two or of a table that the model needs, or another error for
 * a model that this core cannot work with: then the state is as it was, and a stream that it held goes on.
 *
 * It takes as long as a hop at most, for it reads no dictionary: see blsh_dictionary_crc32. A model that it accepts
 * cannot make blsh_hop read or write out of bounds, as long as its tables are as large as their format says and its
 * `bounds` are those of its codes. Every generated model is like that; blsh_init checks neither, because a pointer does
 * not tell its table's size, and the bounds are part of the dictionary. */
int blsh_init(blsh_state_t *state, const blsh_model_t *model);

/* Compute the CRC of the dictionary as it stands in memory now. It tells of a bit that flipped in the flash, which a
 * listener may hear or not notice.
 *
 * model    one that blsh_init accepted
 * Returns CRC-32/ISO-HDLC of planes, bounds and masks or votes. Compare it with model->dictionary_crc32; if they
 * differ, the result to report is BLSH_ERR_DICTIONARY_CRC.
 *
 * It reads the whole dictionary: some ten instructions a byte. Once, at the start, is usual. */
uint32_t blsh_dictionary_crc32(const blsh_model_t *model);

/* Return by how many samples the output lags the input: d = M - H, the hops of a synthesis but one.
 *
 * model    one that blsh_init accepted
 *
 * Output sample i of a stream belongs to input sample i - d, and the first d output samples precede the signal. To get
 * the last samples of a signal out, feed d zeros. Live sound is later by one hop more, because a hop has to come in
 * whole before it is worked on: M samples in all, of `synthesis` of the model. */
uint32_t blsh_delay_samples(const blsh_model_t *model);

/* ---- its strength ----------------------------------------------------------------------------------------------- */

/* Limit by how much any band is lowered. A limit leaves some of the noise, and with it fewer artefacts.
 *
 * state    one that blsh_init returned BLSH_OK for
 * db       0 to BLSH_MOST_ATTENUATION, or BLSH_ATTENUATION_OFF: as far as the model likes. 0 is a bypass: the output is
 *          the input, as late as ever
 * Returns BLSH_OK; or BLSH_ERR_ARGUMENT for a NULL, or BLSH_ERR_ATTENUATION for another number: then the limit stays.
 *
 * It holds from the next hop on. Call it between any two hops, as for a button of three steps:
 *
 *     static const uint8_t steps[] = {12, 20, BLSH_ATTENUATION_OFF};
 *     if (pressed()) blsh_set_attenuation(&state, steps[++step % 3]);
 *     blsh_hop(&state, input, output, NULL);
 *
 * Neighbouring frames overlap, so a change is a cross-fade and does not click. What the model knows of the noise does
 * not depend on the limit. blsh_init sets the limit of the model, which is off unless it was trained with another. */
int blsh_set_attenuation(blsh_state_t *state, unsigned db);

/* Return the speech activity of the last hop, 0 to 255: the mean square of the gains, before any limit. It is near 0 in
 * noise alone, and 0 in silence. At 5 dB the published model has 25 or more in 9 of 10 hops of speech, and less in 9 of
 * 10 hops of noise. For an indicator that does not flicker, ask for several hops in a row.
 *
 * state    one that blsh_init returned BLSH_OK for; 0 before its first hop
 *
 * It is of the last frame, whose middle is newer than what the output holds: it may open a gate for it. */
uint8_t blsh_activity(const blsh_state_t *state);

/* Return by how many dB the output of the last hop is quieter than the input that it belongs to, 0 to 115; 0 for
 * silence, and for an output that is no quieter.
 *
 * state    one that blsh_init returned BLSH_OK for; 0 before its first hop */
int blsh_reduction_db(const blsh_state_t *state);

/* ---- the work --------------------------------------------------------------------------------------------------- */

/* The points of a hop that a probe sees, in order, and the values that it finds there (SPEC.md, 8). D, P, L, G and K
 * are features, projections, bits, dictionaries and neighbours of the model, N and H samples of its window and hop. */
// clang-format off: a row each
#define BLSH_STAGES(X) \
    X(BLSH_STAGE_WINDOW, "window")             /* int32 shift, int32[N] windowed samples */ \
    X(BLSH_STAGE_SPECTRUM, "spectrum")         /* int32[N / 2 + 1][2] re, im */ \
    X(BLSH_STAGE_FEATURES, "features")         /* int16[D] */ \
    X(BLSH_STAGE_ACCUMULATORS, "accumulators") /* int32[P] projections */ \
    X(BLSH_STAGE_CODE, "code")                 /* uint32[words], bit l in word l / 32 */ \
    X(BLSH_STAGE_NEIGHBOURS, "neighbours")     /* blsh_neighbour_t[G][K], the nearest first */ \
    X(BLSH_STAGE_MASK, "mask")                 /* int16[N / 2 + 1] gains, Q1.14 */ \
    X(BLSH_STAGE_OUTPUT, "output")             /* int16[H] samples */

typedef enum {
#define BLSH_ENUM(name, text) name,
    BLSH_STAGES(BLSH_ENUM)
#undef BLSH_ENUM
    BLSH_STAGE_COUNT
} blsh_stage_t;
// clang-format on

/* The name of a stage, as SPEC.md and the reports have it; "unknown stage" for any other number. A constant. */
const char *blsh_stage_name(blsh_stage_t stage);

/* For tests and measurements: `stage_done` is called by blsh_hop after each stage.
 *
 * context  the probe's own
 * values   what the stage made, `bytes` of them, aligned as their type asks; valid during the call only
 *
 * It must not change the state, nor call blsh_hop or blsh_init with it. */
typedef struct {
    void (*stage_done)(void *context, blsh_stage_t stage, const void *values, size_t bytes);
    void *context;
} blsh_probe_t;

/* Denoise the next hop of a stream: `hop` samples of its model, at most BLSH_MAX_HOP.
 *
 * state    one that blsh_init returned BLSH_OK for; with any other, anything may happen
 * input    as many samples, aligned as int16_t; all are read before the first of `output` is written
 * output   room for as many samples, aligned as int16_t. It may be `input`, or overlap it in any way; neither may
 *          overlap the state
 * probe    NULL, or what is called after each stage; it need only live as long as the call
 *
 * It cannot fail, and checks no pointer. Loud input is not clipped within; the output saturates. */
void blsh_hop(blsh_state_t *state, const int16_t *input, int16_t *output, const blsh_probe_t *probe);

#ifdef __cplusplus
}
#endif

#endif
