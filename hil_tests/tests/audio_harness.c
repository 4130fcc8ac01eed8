// SPDX-License-Identifier: Apache-2.0
/* Plays the part of DMA, interrupts and main loop for audio_stream.c, which is compiled with
 * -fsanitize-coverage=trace-pc: the compiler then calls a hook at every branch, and there an interrupt may come. */
#include <string.h>

#include "audio_stream.h"

#define TICKS 16u /* of a sample */

typedef struct {
    uint32_t block, hop, work;
    uint32_t seed;
    uint32_t phase;         /* samples from the input's start to the output's, less than a block */
    uint32_t blocks;        /* to run for */
    uint32_t shortest;      /* percent of `work` that a hop takes at least */
    uint32_t creep;         /* percent of branches at which a tick passes */
    uint32_t chaos;         /* percent of branches at which an interrupt comes at any time; 0: only when it is due */
    uint32_t stall_percent; /* of hops that take `stall` blocks longer, in the first half of the run */
    uint32_t stall;
    int32_t less_lag; /* samples by which the lag is made too short */
} plan_t;

typedef struct {
    uint32_t lag, first, end_heard, end_taken, hops, plays, least_latency, most_latency, bad_input, useless;
    audio_counts_t counts, counts_at_half;
} result_t;

static audio_stream_t audio;
static plan_t plan;
static result_t result;
static uint32_t random_state;
static uint64_t now, next_input, next_output;
static bool running, in_input, in_output;
static int16_t input[2][AUDIO_INPUT_SAMPLES], output[2][AUDIO_INPUT_SAMPLES];
static uint32_t inputs;

static int16_t *played_samples; /* the caller's: what was played, block after block */
static uint32_t *played_silent; /* ... and of each block, how many samples at its end were missing */
static uint32_t *lost_at;       /* ... and the position of each lost block */
static uint32_t *hop_at;        /* ... and of each hop */

void __sanitizer_cov_trace_pc(void);

static uint32_t drawn(uint32_t below) { /* xorshift of 32 bits: Marsaglia, "Xorshift RNGs", 2003 */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

/* The sample at a position: never 0, which is silence. */
static int16_t sample_at(uint32_t position) {
    uint32_t hash = position * 2654435761u;
    hash ^= hash >> 15;
    return (int16_t)(1u + hash % 30000u);
}

static void input_interrupt(void) {
    int16_t *half = input[inputs++ % 2u];
    const uint32_t position = audio.heard, lost = audio.lost;

    in_input = true;
    for (uint32_t i = 0; i < plan.block; i++) {
        half[i] = sample_at(position + i);
    }
    audio_captured(&audio, half);
    if (audio.lost != lost) {
        lost_at[lost] = position;
    }
    memset(half, 0x55, plan.block * sizeof half[0]); /* the DMA goes on: what was not copied is gone */
    in_input = false;
}

static void output_interrupt(void) {
    int16_t *half = output[result.plays % 2u];
    const uint32_t silent = audio.silent, samples = (uint32_t)(now / TICKS);
    const uint32_t captured = samples % plan.block, taken = (samples - plan.phase) % plan.block;

    in_output = true;
    audio_play(&audio, half, (int32_t)captured - (int32_t)taken);
    memcpy(played_samples + result.plays * plan.block, half, plan.block * sizeof half[0]);
    played_silent[result.plays++] = audio.silent - silent;
    if (audio_latency(&audio) < result.least_latency) {
        result.least_latency = audio_latency(&audio);
    }
    if (audio_latency(&audio) > result.most_latency) {
        result.most_latency = audio_latency(&audio);
    }
    in_output = false;
}

static bool over(void) { return result.plays >= plan.blocks; }

/* Lets time pass, with the interrupts that come due. The input's goes first: it has the higher priority. */
static void pass(uint64_t ticks) {
    const uint64_t end = now + ticks;

    while (!over() && (next_input <= end || next_output <= end)) {
        if (next_input <= next_output) {
            now = next_input > now ? next_input : now;
            next_input += (uint64_t)plan.block * TICKS;
            input_interrupt();
        } else {
            now = next_output > now ? next_output : now;
            next_output += (uint64_t)plan.block * TICKS;
            output_interrupt();
        }
    }
    now = end;
}

/* Any interrupt that does not interrupt itself. */
static void surprise(void) {
    if (drawn(2u) == 0u && !in_input) {
        input_interrupt();
    } else if (!in_output && !over()) {
        output_interrupt();
    }
}

/* The branches of audio_stream.c. */
void __sanitizer_cov_trace_pc(void) {
    if (!running) {
        return;
    }
    if (plan.chaos != 0u) {
        if (drawn(100u) < plan.chaos) {
            surprise();
        }
    } else if (!in_input && !in_output && drawn(100u) < plan.creep) {
        pass(1u);
    }
}

static void wait_for_interrupt(void) {
    if (plan.chaos != 0u) {
        surprise();
    } else {
        const uint64_t next = next_input < next_output ? next_input : next_output;
        pass(next > now ? next - now : 0u);
    }
}

static void work(int16_t *samples) {
    const uint32_t position = audio.taken - plan.hop, least = plan.work * TICKS * plan.shortest / 100u;
    const uint32_t most = plan.work * TICKS - (plan.creep != 0u ? 32u * TICKS : 0u);
    const bool stalls = result.plays < plan.blocks / 2u && drawn(100u) < plan.stall_percent;

    for (uint32_t i = 0; i < plan.hop; i++) {
        result.bad_input += samples[i] != sample_at(position + i);
        samples[i] = (int16_t)-samples[i];
    }
    result.useless += (int32_t)(position + audio.lag + plan.hop - audio.played) <= 0;
    hop_at[result.hops++] = position;
    if (plan.chaos != 0u) {
        for (uint32_t i = drawn(stalls ? 40u : 8u); i > 0u; i--) {
            surprise();
        }
        return;
    }
    const uint32_t takes = least >= most ? most : least + drawn(most - least + 1u);
    pass((takes > 0u ? takes - 1u : 0u) + (stalls ? (uint64_t)plan.stall * plan.block * TICKS : 0u));
    now++; /* an interrupt that is due at this very moment comes after the work */
}

/* Runs a plan to its last block, then lets the main loop finish. Returns whether the shape fits. */
bool harness_run(const plan_t *given, result_t *told, int16_t *played, uint32_t *silent, uint32_t *lost,
                 uint32_t *hops) {
    static int16_t samples[AUDIO_OUTPUT_SAMPLES];

    plan = *given;
    memset(&result, 0, sizeof result);
    result.least_latency = 0xffffffffu;
    played_samples = played, played_silent = silent, lost_at = lost, hop_at = hops;
    random_state = plan.seed * 2u + 1u;
    running = in_input = in_output = false;
    if (!audio_init(&audio, &(audio_shape_t){plan.block, plan.hop, plan.work})) {
        return false;
    }
    audio.lag -= (uint32_t)plan.less_lag;
    audio.made -= (uint32_t)plan.less_lag;
    result.lag = audio_lag(&audio);
    result.first = audio.heard;
    inputs = 0;
    now = 0;
    next_input = (uint64_t)plan.block * TICKS;
    next_output = (uint64_t)(plan.block + plan.phase) * TICKS;
    running = true;
    while (!over()) {
        if (audio_take_hop(&audio, samples)) {
            work(samples);
            audio_give_hop(&audio, samples);
        } else {
            wait_for_interrupt();
        }
        if (result.plays <= plan.blocks / 2u + plan.stall + 8u) {
            result.counts_at_half = audio_counts(&audio);
        }
    }
    running = false;
    result.end_heard = audio.heard;
    result.end_taken = audio.taken;
    result.counts = audio_counts(&audio);
    *told = result;
    return true;
}
