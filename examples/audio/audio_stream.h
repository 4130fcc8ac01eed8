// SPDX-License-Identifier: Apache-2.0
/* Sound between two circular DMA transfers and a hop function, such as blsh_hop.
 *
 *     static audio_stream_t audio;                                     // or in any other RAM
 *
 *     audio_init(&audio, &(audio_shape_t){.block = 96, .hop = 256});   // before the DMA starts
 *
 *     void input_half_irq(void) { audio_captured(&audio, input); }     // the DMA has filled the first half
 *     void input_full_irq(void) { audio_captured(&audio, input + 96); }
 *     void output_half_irq(void) { audio_play(&audio, output, 0); }    // the DMA has played the first half
 *     void output_full_irq(void) { audio_play(&audio, output + 96, 0); }
 *
 *     for (;;) {                                                       // the main loop
 *         if (audio_take_hop(&audio, samples)) {
 *             blsh_hop(&state, samples, samples, NULL);
 *             audio_give_hop(&audio, samples);
 *         } else {
 *             wait_for_interrupt();
 *         }
 *     }
 *
 * Both DMA buffers have two halves of `block` samples, mono, 16 bits. Hop and block need not divide each other.
 *
 * One rule holds the whole together. Every sample has a position, counted in blocks from the start by the interrupts.
 * What the hop function makes of input position n is played at output position n + lag, or not at all. So the latency
 * never moves: what is late is left out and not put off, and what is missing is silence.
 *
 * Who writes which variable. Three contexts share a stream: the input interrupt, the output interrupt and the main
 * loop. Each variable has one writer, who publishes it after what it stands for. Hence there is no lock, no masked
 * interrupt and no read-modify-write that another could break, and any of the three may run on another core.
 *
 *     | writer           | variables                                  | others read it to know              |
 *     | ---------------- | ------------------------------------------ | ----------------------------------- |
 *     | input interrupt  | heard, stored, slot_start[], input[], lost | how much has come, what was stored  |
 *     | output interrupt | played, underruns, silent, latency         | how much room there is, what is late |
 *     | main loop        | freed, made, output[], hops, skipped       | which slots are free, what is ready |
 */
#ifndef AUDIO_STREAM_H
#define AUDIO_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The room for samples; give smaller ones to the compiler to save RAM. audio_init says whether a shape fits. */
#ifndef AUDIO_INPUT_SAMPLES
#define AUDIO_INPUT_SAMPLES 2048u /* slots of a block each, as many as a power of two, hop / block + 3 or more */
#endif
#ifndef AUDIO_OUTPUT_SAMPLES
#define AUDIO_OUTPUT_SAMPLES 2048u /* a power of two; the lag and two blocks or more */
#endif
#ifndef AUDIO_SLOTS
#define AUDIO_SLOTS 32u /* the most slots; a power of two */
#endif
_Static_assert((AUDIO_OUTPUT_SAMPLES & (AUDIO_OUTPUT_SAMPLES - 1u)) == 0u, "AUDIO_OUTPUT_SAMPLES is a power of two");
_Static_assert((AUDIO_SLOTS & (AUDIO_SLOTS - 1u)) == 0u, "AUDIO_SLOTS is a power of two");

typedef struct {
    uint32_t block; /* samples of half a DMA buffer, 1 or more */
    uint32_t hop;   /* samples of a hop, 1 or more */
    /* The time that a hop may take, in samples, 1 to `hop`; interrupts and other work count. 0 is `hop`: whatever keeps
     * up with the sound. Less gives less latency */
    uint32_t work;
} audio_shape_t;

/* What went wrong since audio_init. Without trouble all but `hops` are 0. */
typedef struct {
    uint32_t hops;      /* worked on */
    uint32_t lost;      /* overruns: blocks of input that found no free slot */
    uint32_t skipped;   /* samples of input that were stored and not worked on: beside lost ones, or too late */
    uint32_t underruns; /* blocks of output that were not all there */
    uint32_t silent;    /* samples of silence played in them */
} audio_counts_t;

typedef _Atomic uint32_t audio_index_t;

/* Private, and here so that the compiler knows the size. Indices run freely and wrap at 2^32. */
typedef struct {
    audio_shape_t shape;
    uint32_t lag;
    uint32_t slots; /* a power of two */

    /* the input interrupt's */
    audio_index_t heard;  /* samples that came, lost ones included: the position of the next */
    audio_index_t stored; /* slots filled */
    audio_index_t lost;
    uint32_t slot_start[AUDIO_SLOTS]; /* the position of a slot's first sample */
    int16_t input[AUDIO_INPUT_SAMPLES];

    /* the output interrupt's */
    audio_index_t played; /* samples handed to the DMA: the position of the next */
    audio_index_t underruns;
    audio_index_t silent;
    audio_index_t latency;

    /* the main loop's */
    audio_index_t freed; /* slots emptied */
    audio_index_t made;  /* the output is ready up to this position */
    audio_index_t hops;
    audio_index_t skipped;
    uint32_t taken; /* the position of the next hop's first sample */
    int16_t output[AUDIO_OUTPUT_SAMPLES];
} audio_stream_t;

/* Prepare a stream, and prime its output with `lag` samples of silence. Call it before the DMA starts.
 *
 * Returns false where the shape is none or does not fit AUDIO_INPUT_SAMPLES, AUDIO_OUTPUT_SAMPLES and AUDIO_SLOTS: then
 * the stream must not be used. */
bool audio_init(audio_stream_t *audio, const audio_shape_t *shape);

/* Return the least lag, in samples, with which no output is late where no hop takes longer than `shape->work`. */
uint32_t audio_least_lag(const audio_shape_t *shape);

/* Take a block in. From the input interrupt alone, for each half of the buffer in its turn.
 *
 * samples  [block]: the half that the DMA has just filled */
void audio_captured(audio_stream_t *audio, const int16_t *samples);

/* Fill a block to be played. From the output interrupt alone, for each half in its turn.
 *
 * samples  [block]: the half that the DMA has just played, and will play again after the other
 * apart    for audio_latency: samples that the input DMA has put into its present half, less those that the output DMA
 *          has taken of its own; both counters are read right before the call. 0 where a part has no counters */
void audio_play(audio_stream_t *audio, int16_t *samples, int32_t apart);

/* Take the next hop of input. From the main loop alone.
 *
 * samples  [hop]
 * Returns false where there is none yet: wait for an interrupt. After true call audio_give_hop before the next one. */
bool audio_take_hop(audio_stream_t *audio, int16_t *samples);

/* Give the output that belongs to the hop taken last. From the main loop alone.
 *
 * samples  [hop] */
void audio_give_hop(audio_stream_t *audio, const int16_t *samples);

/* Return by how many samples the stream of played blocks lags the stream of captured ones. It is constant. The delay of
 * the hop function, blsh_delay_samples(), comes on top. */
uint32_t audio_lag(const audio_stream_t *audio);

/* Return the latency, in samples, as measured at the last audio_play: from the moment at which the input DMA puts a
 * sample into its buffer to the moment at which the output DMA takes what was made of it. It is the lag, two blocks that
 * wait in the halves of the output's buffer, and the time from the input's start to the output's. Converters, decimators
 * and the hop function add their own delay.
 *
 * It is exact where `apart` is given, else up to a block too small. A latency that moves shows that input and output do
 * not share a clock. 0 before the first audio_play. */
uint32_t audio_latency(const audio_stream_t *audio);

/* Return the counts. From any context. */
audio_counts_t audio_counts(const audio_stream_t *audio);

#endif
