// SPDX-License-Identifier: Apache-2.0
/* blsh_count.h in C. All is counted early. */
#ifndef BLSH_COUNT_PORTABLE_H
#define BLSH_COUNT_PORTABLE_H

/* sum + a + b in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_full_add(blsh_lanes_t *sum, blsh_lanes_t a, blsh_lanes_t b) {
    const blsh_lanes_t either = *sum ^ a;
    const blsh_lanes_t carry = (*sum & a) | (either & b);
    *sum = either ^ b;
    return carry;
}

/* Adds two planes to a counter; returns what is carried. */
static inline blsh_lanes_t blsh_add_two(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *plane) {
    uint32_t a, b;
    blsh_load_pair(plane, &a, &b);
    return blsh_full_add(sum, blsh_read(at, a), blsh_read(at, b));
}

/* Adds four planes to two counters; returns what is carried beyond. */
static inline blsh_lanes_t blsh_add_four(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *plane) {
    const blsh_lanes_t two = blsh_add_two(&sum[0], at, plane);
    return blsh_full_add(&sum[1], two, blsh_add_two(&sum[0], at, plane + 2));
}

BLSH_ALWAYS_INLINE void blsh_count_early(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const uint32_t *plane,
                                         unsigned steps, blsh_lanes_t *carries) {
    (void)carries;
    BLSH_UNROLL(8)
    for (unsigned level = 1; level < levels; level++) {
        sum[level] = blsh_read(at, 4u * level);
    }
    sum[levels] = blsh_none();
    do {
        const blsh_lanes_t four = blsh_add_four(&sum[1], at, plane);
        blsh_lanes_t carry = blsh_full_add(&sum[3], four, blsh_add_four(&sum[1], at, plane + 4));
        BLSH_UNROLL(8)
        for (unsigned level = BLSH_EARLY_BITS; level <= levels; level++) {
            BLSH_IN_ORDER();
            carry = blsh_half_add(&sum[level], carry);
        }
        plane += BLSH_STEP_PLANES;
    } while (--steps != 0u);
    sum[0] = blsh_read(at, 0u);
}

static inline void blsh_count_late(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const blsh_lanes_t *carries) {
    (void)sum, (void)levels, (void)at, (void)carries;
}

#endif
