// SPDX-License-Identifier: Apache-2.0
#include "search_check.h"

#include <stdbool.h>
#include <string.h>

#include "blsh_stages.h"
#include "plain_scan.h"

#ifndef SEARCH_CHECK_WORDS
#define SEARCH_CHECK_WORDS 1000u /* words of the largest dictionary's codes: a micro:bit has 16 KiB */
#endif
#define MAX_WORDS ((BLSH_MAX_BITS + 31u) / 32u)
#define BESIDE    10u                           /* planes of a block beside those of its codes, at most */
#define ROWS      (BLSH_MAX_BITS + BESIDE + 9u) /* planes of bounds: 9 bits hold a radius */
#define QUERIES   4u

static uint32_t codes[SEARCH_CHECK_WORDS];
static uint32_t planes[SEARCH_CHECK_WORDS + SEARCH_CHECK_WORDS / 3u + 32u * MAX_WORDS + BESIDE];
static uint32_t bounds[SEARCH_CHECK_WORDS / 20u + ROWS];
static uint32_t scratch[BLSH_SEARCH_WORDS];
static uint32_t random_state;

static uint32_t draw(void) { /* xorshift, Marsaglia 2003 */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static uint32_t below(uint32_t limit) { return (draw() >> 8) % limit; }

static bool bit_of(const uint32_t *code, unsigned bit) { return (code[bit / 32u] >> (bit % 32u) & 1u) != 0u; }

static uint32_t distance(const uint32_t *a, const uint32_t *b, unsigned bits) {
    uint32_t sum = 0;
    for (unsigned bit = 0; bit < bits; bit++) {
        sum += bit_of(a, bit) != bit_of(b, bit) ? 1u : 0u;
    }
    return sum;
}

static void random_code(uint32_t *code, unsigned bits) {
    for (unsigned word = 0; word < (bits + 31u) / 32u; word++) {
        code[word] = draw();
    }
    if (bits % 32u != 0u) {
        code[bits / 32u] &= (1u << (bits % 32u)) - 1u;
    }
}

/* `code` with about one bit in `rate` turned. */
static void nearby_code(uint32_t *code, const uint32_t *from, unsigned bits, uint32_t rate) {
    memcpy(code, from, (bits + 31u) / 32u * sizeof *code);
    for (unsigned bit = 0; bit < bits; bit++) {
        if (below(rate) == 0u) {
            code[bit / 32u] ^= 1u << (bit % 32u);
        }
    }
}

/* Random codes, one code for all, a few codes, or clouds around the first of each block. */
static void make_codes(const blsh_model_t *model) {
    const unsigned words = (model->bits + 31u) / 32u;
    const uint32_t kind = below(4), few = 1u + below(5), rate = 2u + below(12);
    for (uint32_t entry = 0; entry < model->entries; entry++) {
        uint32_t *code = codes + entry * words;
        const uint32_t block = entry / 32u * 32u;
        if (kind == 1u && entry > 0u) {
            memcpy(code, codes, words * sizeof *code);
        } else if (kind == 2u && entry >= few) {
            memcpy(code, codes + below(few) * words, words * sizeof *code);
        } else if (kind == 3u && entry > block) {
            nearby_code(code, codes + block * words, model->bits, rate);
        } else {
            random_code(code, model->bits);
        }
    }
}

/* A code as bit `at` of the planes of a row: its number of zeros, then its bits. */
static void slice_code(const blsh_model_t *model, const uint32_t *code, uint32_t *row, unsigned at) {
    const unsigned levels = BLSH_ZERO_BITS(model->bits);
    unsigned zeros = 0;
    for (unsigned bit = 0; bit < model->bits; bit++) {
        row[levels + bit] |= (uint32_t)bit_of(code, bit) << at;
        zeros += bit_of(code, bit) ? 0u : 1u;
    }
    for (unsigned level = 0; level < levels; level++) {
        row[level] |= (zeros >> level & 1u) << at;
    }
}

static void slice_codes(const blsh_model_t *model) {
    const unsigned words = (model->bits + 31u) / 32u;
    memset(planes, 0, sizeof planes);
    for (uint32_t entry = 0; entry < model->entries; entry++) {
        slice_code(model, codes + entry * words, planes + entry / 32u * BLSH_PLANES((unsigned)model->bits),
                   entry % 32u);
    }
}

/* The first entry of each block as its centre. */
static uint32_t radius_of(const blsh_model_t *model, uint32_t block) {
    const unsigned words = (model->bits + 31u) / 32u;
    uint32_t radius = 0;
    for (uint32_t entry = 32u * block; entry < 32u * block + 32u && entry < model->entries; entry++) {
        const uint32_t away = distance(codes + entry * words, codes + 32u * block * words, model->bits);
        radius = away > radius ? away : radius;
    }
    return radius;
}

static void make_bounds(blsh_model_t *model) {
    const unsigned words = (model->bits + 31u) / 32u;
    const uint32_t blocks = (model->entries + 31u) / 32u;
    uint32_t largest = 0;
    unsigned slack = 0;
    for (uint32_t block = 0; block < blocks; block++) {
        const uint32_t radius = radius_of(model, block);
        largest = radius > largest ? radius : largest;
    }
    for (; largest >> slack != 0u; slack++) {
    }
    model->radius = (uint16_t)largest;
    memset(bounds, 0, sizeof bounds);
    for (uint32_t block = 0; block < blocks; block++) {
        const uint32_t below_largest = largest - radius_of(model, block);
        uint32_t *row = bounds + block / 32u * (slack + BLSH_PLANES((unsigned)model->bits));
        for (unsigned level = 0; level < slack; level++) {
            row[level] |= (below_largest >> level & 1u) << (block % 32u);
        }
        slice_code(model, codes + 32u * block * words, row + slack, block % 32u);
    }
}

static const int8_t any_vote = 0;

static void make_dictionary(blsh_model_t *model) {
    model->bits = (uint16_t)(1u + below(below(2) == 0u ? BLSH_MAX_BITS : 70u));
    const uint32_t most = SEARCH_CHECK_WORDS / ((model->bits + 31u) / 32u);
    model->dictionaries = 1u;
    model->vote = below(2) == 0u ? NULL : &any_vote; /* of small dictionaries all entries are ranked then */
    model->entries = 1u + below(below(4) == 0u ? most : most < 200u ? most : 200u);
    const uint32_t wanted = 1u + below(BLSH_MAX_NEIGHBOURS);
    model->neighbours = (uint16_t)(wanted < model->entries ? wanted : model->entries);
    make_codes(model);
    slice_codes(model);
    make_bounds(model);
    model->planes = planes;
    model->bounds = model->vote != NULL && model->entries <= BLSH_SMALL_ENTRIES ? NULL : bounds;
}

/* A random code, an entry, one nearby, or the farthest from an entry. */
static void make_query(const blsh_model_t *model, unsigned kind, uint32_t *code) {
    const uint32_t *entry = codes + below(model->entries) * ((model->bits + 31u) / 32u);
    switch (kind) {
    case 0:
        random_code(code, model->bits);
        break;
    case 1:
        nearby_code(code, entry, model->bits, 6);
        break;
    default:
        nearby_code(code, entry, model->bits, kind == 2u ? 1u << 24 : 1u);
    }
}

uint32_t search_check(uint32_t seed, uint32_t dictionaries) {
    uint32_t sum = 1;
    random_state = seed != 0u ? seed : 1u;
    for (uint32_t n = 0; n < dictionaries; n++) {
        blsh_model_t model = {0};
        make_dictionary(&model);
        for (unsigned query = 0; query < QUERIES; query++) {
            uint32_t code[MAX_WORDS];
            blsh_neighbour_t expected[BLSH_MAX_NEIGHBOURS], found[BLSH_MAX_NEIGHBOURS];
            make_query(&model, query, code);
            plain_scan(codes, model.entries, (model.bits + 31u) / 32u, code, model.neighbours, expected);
            blsh_find_nearest(&model, code, scratch, found);
            for (unsigned k = 0; k < model.neighbours; k++) {
                if (found[k].index != expected[k].index || found[k].distance != expected[k].distance) {
                    return 0;
                }
                sum = ((sum ^ found[k].index) * 16777619u ^ found[k].distance) * 16777619u | 1u;
            }
        }
    }
    return sum;
}
