// SPDX-License-Identifier: Apache-2.0
/* Bit-sliced arithmetic: each bit of a word is a counter of its own, and an array of words, the lowest bits first, is
 * 32 numbers. The search works on BLSH_LANES words at a time, each from another row of a table.
 *
 *   blsh_lanes_t                        BLSH_LANES words; ~, &, | and ^ work on all
 *   blsh_load_lanes, blsh_load_bytes    from so many words, or bytes, that follow each other
 *   blsh_store_lanes                    back
 *   blsh_none()                         no bit
 *   blsh_any_set(lanes)                 whether there is any
 *   blsh_least_lane(lanes)              the least word
 *   blsh_cursor_t                       where each lane reads
 *   blsh_rows(base, words, row)         the beginnings of rows of `words` words
 *   blsh_read(cursor, offset)           the words `offset` bytes behind */
#ifndef BLSH_LANES_H
#define BLSH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "blsh_arch.h"

#if defined(BLSH_ARCH_MVE)
#include "blsh_lanes_mve.h"
#else
#include "blsh_lanes_portable.h"
#endif

/* sum + a in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_half_add(blsh_lanes_t *sum, blsh_lanes_t a) {
    const blsh_lanes_t carry = *sum & a;
    *sum ^= a;
    return carry;
}

/* Of the numbers in `set` those that are least, and in *number how large they are, but for its lowest bits that have no
 * plane. `top` is the plane of their highest bit, of `levels`, and each lower plane lies `stride` words before. */
static inline blsh_lanes_t blsh_least_of(blsh_lanes_t set, const uint32_t *top, unsigned levels, uint32_t *number) {
    uint32_t value = 0;
    do {
        const blsh_lanes_t less = set & ~blsh_load_lanes(top);
        top -= BLSH_LANES;
        value <<= 1;
        if (blsh_any_set(less)) {
            set = less;
        } else {
            value |= 1u;
        }
    } while (--levels != 0u);
    *number = value;
    return set;
}

/* The same of four words, each plane of which lies four words before the next higher one. */
#if defined(BLSH_ARCH_MVE)
static inline uint32_t blsh_least_of_four(const uint32_t set[4], const uint32_t *top, unsigned levels,
                                          uint32_t least[4]) {
    uint32_t value;
    blsh_store_lanes(least, blsh_least_of(blsh_load_lanes(set), top, levels, &value));
    return value;
}
#else
static inline uint32_t blsh_least_of_four(const uint32_t set[4], const uint32_t *top, unsigned levels,
                                          uint32_t least[4]) {
    uint32_t value = 0, a = set[0], b = set[1], c = set[2], d = set[3];
    do {
        const uint32_t less_a = a & ~top[0], less_b = b & ~top[1], less_c = c & ~top[2], less_d = d & ~top[3];
        top -= 4;
        value <<= 1;
        if ((less_a | less_b | less_c | less_d) != 0u) {
            a = less_a;
            b = less_b;
            c = less_c;
            d = less_d;
        } else {
            value |= 1u;
        }
    } while (--levels != 0u);
    least[0] = a;
    least[1] = b;
    least[2] = c;
    least[3] = d;
    return value;
}
#endif

#endif
