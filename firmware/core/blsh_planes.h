/* What the search counts: of each entry of a row, or of four with Helium, the number of its zeros and twice its bits
 * in given planes. Eight planes are added at a time, by full adders. */
#ifndef BLSH_PLANES_H
#define BLSH_PLANES_H

#include "blsh_lanes.h"

#define BLSH_STEP 8u  /* planes */
#define BLSH_EARLY 4u /* bits of the result that are there first */

#if BLSH_LANES == 4u

#define BLSH_FEW 6u  /* bits of the number of zeros, of codes of which at most FULL steps are counted */
#define BLSH_FULL 4u /* steps whose carries are added together */

/* Eight vector registers hold where to read, three counters, and what four adders are busy with: the compiler would
 * store some. Each line adds to the counter `sum` and leaves the carry in `a`; `t` is lost. */
#define BLSH_ADD(sum, a, b, t)                                                                                         \
    "veor %q[" t "], %q[" sum "], %q[" a "]\n\t"                                                                       \
    "vand %q[" a "], %q[" a "], %q[" sum "]\n\t"                                                                       \
    "veor %q[" sum "], %q[" t "], %q[" b "]\n\t"                                                                       \
    "vbic %q[" t "], %q[" t "], %q[" sum "]\n\t" /* both t and b */                                                    \
    "vorr %q[" a "], %q[" a "], %q[" t "]\n\t"
#define BLSH_ADD_PLANES(sum, a, t, first, second)                                                                      \
    "vldrw.u32 %q[" a "], [" first ", %q[at]]\n\t"                                                                     \
    "veor %q[" t "], %q[" sum "], %q[" a "]\n\t"                                                                       \
    "vand %q[" a "], %q[" a "], %q[" sum "]\n\t"                                                                       \
    "vldrw.u32 %q[" sum "], [" second ", %q[at]]\n\t"                                                                  \
    "veor %q[" sum "], %q[" sum "], %q[" t "]\n\t"                                                                     \
    "vbic %q[" t "], %q[" t "], %q[" sum "]\n\t"                                                                       \
    "vorr %q[" a "], %q[" a "], %q[" t "]\n\t"

/* sum + a + b in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_full_add(blsh_lanes_t *sum, blsh_lanes_t a, blsh_lanes_t b) {
    blsh_lanes_t s = *sum, t;
    __asm__(BLSH_ADD("s", "a", "b", "t") : [s] "+w"(s), [a] "+w"(a), [t] "=&w"(t) : [b] "w"(b));
    *sum = s;
    return a;
}

/* Adds what four steps carried to two bits of the result; returns what is carried beyond. */
static inline blsh_lanes_t blsh_add_carries(blsh_lanes_t *sum, const blsh_lanes_t *carries) {
    const blsh_lanes_t one = blsh_full_add(&sum[0], carries[0], carries[1]);
    const blsh_lanes_t two = blsh_full_add(&sum[0], carries[2], carries[3]);
    return blsh_full_add(&sum[1], one, two);
}

/* Counts, for rows `at`, into `sum`, bit-sliced, `levels` + 1 bits: the first `levels` planes are the number of zeros,
 * the others lie `place` bytes behind. `carries` is room for FULL lanes. Of few levels just the EARLY bits are written:
 * blsh_count_late follows. `levels` is a constant where this is called. */
static inline __attribute__((always_inline)) void blsh_count_early(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at,
                                                                   const uint32_t *place, unsigned steps,
                                                                   blsh_lanes_t *carries) {
    const bool few = levels == BLSH_FEW;
    const unsigned now = few ? BLSH_EARLY : levels;
    blsh_cursor_t zeros = at;
    BLSH_UNROLL(8)
    for (unsigned level = 1; level < now; level++) {
        sum[level] = blsh_read_next(&zeros);
    }
    if (!few) {
        sum[levels] = blsh_none();
    }
    do {
        const unsigned taken = !few && steps > BLSH_FULL ? BLSH_FULL : steps;
        blsh_lanes_t *to = carries, a, b, c, t;
        __asm__ volatile("vmov.i32 %q[t], #0\n\t" /* what steps that there are not carry */
                         "vstrw.32 %q[t], [%[to], #16]\n\t"
                         "vstrw.32 %q[t], [%[to], #32]\n\t"
                         "vstrw.32 %q[t], [%[to], #48]\n\t"
                         "dls lr, %[taken]\n\t"
                         "0:\n\t"
                         "ldmia %[place]!, {r4, r5, r6, r8, r9, r10, r11, r12}\n\t"
                         BLSH_ADD_PLANES("ones", "a", "t", "r4", "r5")
                         BLSH_ADD_PLANES("ones", "b", "t", "r6", "r8")
                         BLSH_ADD("twos", "a", "b", "t")
                         BLSH_ADD_PLANES("ones", "b", "t", "r9", "r10")
                         BLSH_ADD_PLANES("ones", "c", "t", "r11", "r12")
                         BLSH_ADD("twos", "b", "c", "t")
                         BLSH_ADD("fours", "a", "b", "t")
                         "vstrw.32 %q[a], [%[to]], #16\n\t"
                         "le lr, 0b"
                         : [place] "+r"(place), [to] "+r"(to), [ones] "+w"(sum[1]), [twos] "+w"(sum[2]),
                           [fours] "+w"(sum[3]), [a] "=&w"(a), [b] "=&w"(b), [c] "=&w"(c), [t] "=&w"(t)
                         : [at] "w"(at), [taken] "r"(taken)
                         : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "memory");
        steps -= taken;
        if (few) {
            break;
        }
        blsh_lanes_t carry = blsh_add_carries(&sum[BLSH_EARLY], carries);
        BLSH_UNROLL(8)
        for (unsigned level = BLSH_EARLY + 2u; level <= levels; level++) {
            carry = blsh_half_add(&sum[level], carry);
        }
    } while (steps != 0u);
    sum[0] = blsh_read(at, 0u);
}

/* The bits of `sum` that blsh_count_early has not written. */
static inline void blsh_count_late(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const blsh_lanes_t *carries) {
    if (levels == BLSH_FEW) {
        sum[4] = blsh_read(at, 4u * 4u);
        sum[5] = blsh_read(at, 4u * 5u);
        sum[6] = blsh_add_carries(&sum[4], carries);
    }
}

#else

/* sum + a + b in each counter: its lowest bit goes to `sum`, the carry is returned. */
static inline blsh_lanes_t blsh_full_add(blsh_lanes_t *sum, blsh_lanes_t a, blsh_lanes_t b) {
    const blsh_lanes_t either = *sum ^ a;
    const blsh_lanes_t carry = (*sum & a) | (either & b);
    *sum = either ^ b;
    return carry;
}

/* Adds two planes to a counter; returns what is carried. */
static inline blsh_lanes_t blsh_add_two(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *place) {
    uint32_t a, b;
    blsh_load_pair(place, &a, &b);
    return blsh_full_add(sum, blsh_read(at, a), blsh_read(at, b));
}

/* Adds four planes to two counters; returns what is carried beyond. */
static inline blsh_lanes_t blsh_add_four(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *place) {
    const blsh_lanes_t two = blsh_add_two(&sum[0], at, place);
    return blsh_full_add(&sum[1], two, blsh_add_two(&sum[0], at, place + 2));
}

/* Counts, for the row `at`, into `sum`, bit-sliced, `levels` + 1 bits: the first `levels` planes are the number of
 * zeros, the others lie `place` bytes behind. `levels` is a constant where this is called. */
static inline __attribute__((always_inline)) void blsh_count_early(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at,
                                                                   const uint32_t *place, unsigned steps,
                                                                   blsh_lanes_t *carries) {
    (void)carries;
    BLSH_UNROLL(8)
    for (unsigned level = 1; level < levels; level++) {
        sum[level] = blsh_read(at, 4u * level);
    }
    sum[levels] = blsh_none();
    do {
        const blsh_lanes_t four = blsh_add_four(&sum[1], at, place);
        blsh_lanes_t carry = blsh_full_add(&sum[3], four, blsh_add_four(&sum[1], at, place + 4));
        BLSH_UNROLL(8)
        for (unsigned level = BLSH_EARLY; level <= levels; level++) {
            carry = blsh_half_add(&sum[level], carry);
        }
        place += BLSH_STEP;
    } while (--steps != 0u);
    sum[0] = blsh_read(at, 0u);
}

/* All is counted early. */
static inline void blsh_count_late(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const blsh_lanes_t *carries) {
    (void)sum, (void)levels, (void)at, (void)carries;
}

#endif

#endif
