// SPDX-License-Identifier: Apache-2.0
/* Sound between two circular DMA transfers and a hop function; audio_stream.h is the manual. */
#include "audio_stream.h"

#include <string.h>

/* Any start is right; tests begin shortly before the indices wrap. */
#ifndef AUDIO_FIRST
#define AUDIO_FIRST 0u
#endif

/* Of a variable that another context writes: what it stands for is seen as well. */
static uint32_t seen(const audio_index_t *index) { return atomic_load_explicit(index, memory_order_acquire); }

/* Of a variable that this context writes. */
static uint32_t own(const audio_index_t *index) { return atomic_load_explicit(index, memory_order_relaxed); }

static void publish(audio_index_t *index, uint32_t value) { atomic_store_explicit(index, value, memory_order_release); }

/* Adds to a variable of this context: its only writer needs no indivisible addition, which an M0 lacks. */
static void add(audio_index_t *index, uint32_t value) { publish(index, own(index) + value); }

/* By how much position `a` comes after `b`; negative where it comes before. */
static int32_t after(uint32_t a, uint32_t b) { return (int32_t)(a - b); }

static uint32_t rounded_up(uint32_t value, uint32_t step) { return (value + step - 1u) / step * step; }

static uint32_t greatest_divisor(uint32_t a, uint32_t b) {
    while (b != 0u) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* ---- the shape -------------------------------------------------------------------------------------------------- */

static uint32_t work_of(const audio_shape_t *shape) { return shape->work == 0u ? shape->hop : shape->work; }

/* Plays the worst case through, a hop after the other. Hop i is whole at the first interrupt after its last sample; the
 * work on it begins then, or when the hop before is done. The block that holds its first output sample is filled at the
 * last interrupt before that sample's position, which must not come before the work is done. All repeats after
 * block / divisor hops, but for the work left over from before, hence twice. */
uint32_t audio_least_lag(const audio_shape_t *shape) {
    const uint32_t block = shape->block, hop = shape->hop;
    const uint32_t hops = 2u * (block / greatest_divisor(block, hop));
    uint32_t done = 0, lag = 0;

    for (uint32_t i = 0; i < hops; i++) {
        const uint32_t whole = rounded_up((i + 1u) * hop, block);
        done = (done > whole ? done : whole) + work_of(shape);
        const uint32_t needed = rounded_up(done, block) - block - i * hop;
        lag = needed > lag ? needed : lag;
    }
    return lag;
}

/* While a hop is worked on, as much input comes; and the slot that is read from is free once it is read. */
static uint32_t slots_for(const audio_shape_t *shape) {
    uint32_t slots = 1;
    while (slots < shape->hop / shape->block + 3u) {
        slots *= 2u;
    }
    return slots;
}

bool audio_init(audio_stream_t *audio, const audio_shape_t *shape) {
    if (shape->block == 0u || shape->block > AUDIO_INPUT_SAMPLES || shape->hop == 0u ||
        shape->hop > AUDIO_OUTPUT_SAMPLES || shape->work > shape->hop) {
        return false;
    }
    const uint32_t lag = audio_least_lag(shape), slots = slots_for(shape);
    if (slots > AUDIO_SLOTS || slots * shape->block > AUDIO_INPUT_SAMPLES ||
        lag + 2u * shape->block > AUDIO_OUTPUT_SAMPLES) {
        return false;
    }
    memset(audio, 0, sizeof *audio);
    audio->shape = *shape;
    audio->lag = lag;
    audio->slots = slots;
    audio->taken = AUDIO_FIRST;
    publish(&audio->heard, AUDIO_FIRST);
    publish(&audio->stored, AUDIO_FIRST);
    publish(&audio->freed, AUDIO_FIRST);
    publish(&audio->played, AUDIO_FIRST);
    publish(&audio->made, AUDIO_FIRST + lag);
    return true;
}

/* ---- the interrupts --------------------------------------------------------------------------------------------- */

void audio_captured(audio_stream_t *audio, const int16_t *samples) {
    const uint32_t block = audio->shape.block, stored = own(&audio->stored), heard = own(&audio->heard);

    if (stored - seen(&audio->freed) == audio->slots) {
        add(&audio->lost, 1u);
    } else {
        const uint32_t slot = stored & (audio->slots - 1u);
        memcpy(&audio->input[slot * block], samples, block * sizeof samples[0]);
        audio->slot_start[slot] = heard;
        publish(&audio->stored, stored + 1u);
    }
    publish(&audio->heard, heard + block);
}

void audio_play(audio_stream_t *audio, int16_t *samples, int32_t apart) {
    const uint32_t block = audio->shape.block, played = own(&audio->played);
    const int32_t ready = after(seen(&audio->made), played);
    const uint32_t count = ready <= 0 ? 0u : (uint32_t)ready < block ? (uint32_t)ready : block;

    for (uint32_t i = 0; i < count; i++) {
        samples[i] = audio->output[(played + i) & (AUDIO_OUTPUT_SAMPLES - 1u)];
    }
    if (count < block) {
        memset(samples + count, 0, (block - count) * sizeof samples[0]);
        add(&audio->silent, block - count);
        add(&audio->underruns, 1u);
    }
    /* Input position heard + apart comes in now. Position `played` goes out when the other half is played. */
    publish(&audio->latency, seen(&audio->heard) + (uint32_t)apart + block - played + audio->lag);
    publish(&audio->played, played + block);
}

/* ---- the main loop ---------------------------------------------------------------------------------------------- */

static void skip_to(audio_stream_t *audio, uint32_t position) {
    add(&audio->skipped, position - audio->taken);
    audio->taken = position;
}

static void free_slots(audio_stream_t *audio) {
    uint32_t freed = own(&audio->freed);
    const uint32_t stored = seen(&audio->stored);

    while (freed != stored &&
           after(audio->taken, audio->slot_start[freed & (audio->slots - 1u)] + audio->shape.block) >= 0) {
        freed++;
    }
    publish(&audio->freed, freed);
}

/* Returns whether the slots from the oldest on hold a hop, at positions without a gap. Where blocks were lost in front
 * of a slot, what is left of a hop before the gap is given up. */
static bool whole_hop(audio_stream_t *audio) {
    const uint32_t block = audio->shape.block, stored = seen(&audio->stored);
    uint32_t next = audio->taken; /* the position to which there is no gap */

    for (uint32_t slot = own(&audio->freed); slot != stored; slot++) {
        const uint32_t start = audio->slot_start[slot & (audio->slots - 1u)];
        if (after(start, next) > 0) {
            add(&audio->skipped, next - audio->taken);
            audio->taken = start; /* the samples between were lost, and are counted there */
            free_slots(audio);
        }
        next = start + block;
        if (after(next, audio->taken) >= (int32_t)audio->shape.hop) {
            return true;
        }
    }
    return false;
}

static void copy_hop(audio_stream_t *audio, int16_t *samples) {
    const uint32_t block = audio->shape.block, hop = audio->shape.hop;
    uint32_t copied = 0;

    for (uint32_t slot = own(&audio->freed); copied < hop; slot++) {
        const uint32_t at = slot & (audio->slots - 1u);
        const uint32_t from = audio->taken + copied - audio->slot_start[at];
        const uint32_t count = block - from < hop - copied ? block - from : hop - copied;
        memcpy(samples + copied, &audio->input[at * block + from], count * sizeof samples[0]);
        copied += count;
    }
}

bool audio_take_hop(audio_stream_t *audio, int16_t *samples) {
    const uint32_t hop = audio->shape.hop;

    while (whole_hop(audio)) {
        const uint32_t end = audio->taken + audio->lag + hop, played = seen(&audio->played);
        if (after(end, played) > (int32_t)AUDIO_OUTPUT_SAMPLES) {
            return false; /* nobody plays */
        }
        if (after(end, played) > 0) {
            copy_hop(audio, samples);
            audio->taken += hop;
            free_slots(audio);
            return true;
        }
        skip_to(audio, audio->taken + hop); /* all of its output would be late */
        free_slots(audio);
    }
    return false;
}

void audio_give_hop(audio_stream_t *audio, const int16_t *samples) {
    const uint32_t hop = audio->shape.hop, start = audio->taken - hop + audio->lag, played = seen(&audio->played);
    uint32_t silent = own(&audio->made); /* from here to `start` the input is missing */

    if (after(played, silent) > 0) {
        silent = played;
    }
    for (; after(start, silent) > 0; silent++) {
        audio->output[silent & (AUDIO_OUTPUT_SAMPLES - 1u)] = 0;
    }
    for (uint32_t i = 0; i < hop; i++) {
        audio->output[(start + i) & (AUDIO_OUTPUT_SAMPLES - 1u)] = samples[i];
    }
    publish(&audio->made, start + hop);
    add(&audio->hops, 1u);
}

/* ---- what it tells ---------------------------------------------------------------------------------------------- */

uint32_t audio_lag(const audio_stream_t *audio) { return audio->lag; }

uint32_t audio_latency(const audio_stream_t *audio) { return seen(&audio->latency); }

audio_counts_t audio_counts(const audio_stream_t *audio) {
    return (audio_counts_t){
        .hops = seen(&audio->hops),
        .lost = seen(&audio->lost),
        .skipped = seen(&audio->skipped),
        .underruns = seen(&audio->underruns),
        .silent = seen(&audio->silent),
    };
}
