// SPDX-License-Identifier: Apache-2.0
/* blsh_count.h in inline assembler for Helium. Eight vector registers hold where to read, three counters, and what four
 * adders are busy with: the compiler would store some, and the search take 1.15 times the instructions, 1 % of a hop.
 * blsh_count_portable.h says the same in C; it is compiled instead where there is no assembler or no optimisation. Only
 * the lowest four bits are counted step by step. What four steps carry beyond them is added at the end: of a short code
 * late, because these bits are needed last. */
#ifndef BLSH_COUNT_MVE_H
#define BLSH_COUNT_MVE_H

/* Each line adds to the counter `sum` and leaves the carry in `a`; `t` is lost. */
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

/* The next words of each row, where `at` moves to. With gcc 12 the intrinsic reads twice. */
static inline blsh_lanes_t blsh_read_next(blsh_cursor_t *at) {
    blsh_lanes_t words;
    __asm__("vldrw.u32 %q0, [%q1, #4]!" : "=&w"(words), "+w"(*at));
    return words;
}

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
    BLSH_IN_ORDER();
    const blsh_lanes_t two = blsh_full_add(&sum[0], carries[2], carries[3]);
    BLSH_IN_ORDER();
    return blsh_full_add(&sum[1], one, two);
}

/* Adds 8 * `steps` planes, at most BLSH_STEPS_AT_ONCE steps, to sum[1] to sum[3]; what each step carries beyond goes to
 * `carries`, and 0 for a step that there is not. */
static inline const uint32_t *blsh_add_steps(blsh_lanes_t *sum, blsh_cursor_t at, const uint32_t *plane, unsigned steps,
                                             blsh_lanes_t *carries) {
    blsh_lanes_t *to = carries, a, b, c, t;
    // clang-format off: a line each
    __asm__ volatile("vmov.i32 %q[t], #0\n\t"
                     "vstrw.32 %q[t], [%[to], #16]\n\t"
                     "vstrw.32 %q[t], [%[to], #32]\n\t"
                     "vstrw.32 %q[t], [%[to], #48]\n\t"
                     "dls lr, %[steps]\n\t"
                     "0:\n\t"
                     "ldmia %[plane]!, {r4, r5, r6, r8, r9, r10, r11, r12}\n\t"
                     BLSH_ADD_PLANES("ones", "a", "t", "r4", "r5")
                     BLSH_ADD_PLANES("ones", "b", "t", "r6", "r8")
                     BLSH_ADD("twos", "a", "b", "t")
                     BLSH_ADD_PLANES("ones", "b", "t", "r9", "r10")
                     BLSH_ADD_PLANES("ones", "c", "t", "r11", "r12")
                     BLSH_ADD("twos", "b", "c", "t")
                     BLSH_ADD("fours", "a", "b", "t")
                     "vstrw.32 %q[a], [%[to]], #16\n\t"
                     "le lr, 0b"
                     : [plane] "+r"(plane), [to] "+r"(to), [ones] "+w"(sum[1]), [twos] "+w"(sum[2]),
                       [fours] "+w"(sum[3]), [a] "=&w"(a), [b] "=&w"(b), [c] "=&w"(c), [t] "=&w"(t)
                     : [at] "w"(at), [steps] "r"(steps)
                     : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "memory");
    // clang-format on
    return plane;
}

BLSH_ALWAYS_INLINE void blsh_count_early(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const uint32_t *plane,
                                         unsigned steps, blsh_lanes_t *carries) {
    const bool is_short = levels == BLSH_ZERO_BITS_SHORT; /* at most 32 planes are counted: BLSH_STEPS_AT_ONCE steps */
    const unsigned now = is_short ? BLSH_EARLY_BITS : levels;
    blsh_cursor_t zeros = at;
    BLSH_UNROLL(8)
    for (unsigned level = 1; level < now; level++) {
        sum[level] = blsh_read_next(&zeros);
    }
    if (!is_short) {
        sum[levels] = blsh_none();
    }
    do {
        const unsigned taken = !is_short && steps > BLSH_STEPS_AT_ONCE ? BLSH_STEPS_AT_ONCE : steps;
        plane = blsh_add_steps(sum, at, plane, taken, carries);
        steps -= taken;
        if (is_short) {
            break;
        }
        blsh_lanes_t carry = blsh_add_carries(&sum[BLSH_EARLY_BITS], carries);
        BLSH_UNROLL(8)
        for (unsigned level = BLSH_EARLY_BITS + 2u; level <= levels; level++) {
            carry = blsh_half_add(&sum[level], carry);
        }
    } while (steps != 0u);
    sum[0] = blsh_read(at, 0u);
}

static inline void blsh_count_late(blsh_lanes_t *sum, unsigned levels, blsh_cursor_t at, const blsh_lanes_t *carries) {
    if (levels == BLSH_ZERO_BITS_SHORT) {
        sum[4] = blsh_read(at, 4u * 4u);
        sum[5] = blsh_read(at, 4u * 5u);
        sum[6] = blsh_add_carries(&sum[4], carries);
    }
}

#endif
