// SPDX-License-Identifier: Apache-2.0
/* blsh_fft_steps.h in C, one butterfly at a time. */
#ifndef BLSH_FFT_STEPS_PORTABLE_H
#define BLSH_FFT_STEPS_PORTABLE_H

/* Before a loop of turned butterflies: two at a time, but not where one fills the registers. */
#if defined(BLSH_SHORT_MULTIPLY)
#define BLSH_UNROLL_TURNS
#else
#define BLSH_UNROLL_TURNS BLSH_UNROLL(2)
#endif

static inline void blsh_store_as(blsh_point_t *to, int32_t re, int32_t im, bool exchange) {
    blsh_store(to, exchange ? im : re, exchange ? re : im);
}

/* The four-point DFT of a, b, c, d, to near[0], near[stride], far[0] and far[stride]. */
BLSH_ALWAYS_INLINE void blsh_butterfly4(blsh_point_t *near, blsh_point_t *far, unsigned stride, bool exchange,
                                        blsh_point_t a, blsh_point_t b, blsh_point_t c, blsh_point_t d) {
    const blsh_point_t s2 = blsh_sum(b, d), s3 = blsh_difference(b, d);
    const blsh_point_t s0 = blsh_sum(a, c), s1 = blsh_difference(a, c);
    blsh_store_as(near, s0.re + s2.re, s0.im + s2.im, exchange);
    blsh_store_as(near + stride, s1.re + s3.im, s1.im - s3.re, exchange);
    blsh_store_as(far, s0.re - s2.re, s0.im - s2.im, exchange);
    blsh_store_as(far + stride, s1.re - s3.im, s1.im + s3.re, exchange);
}

/* The same of near[0] / 4 and the turned near[stride], far[0] and far[stride]. */
BLSH_ALWAYS_INLINE void blsh_turned_butterfly4(blsh_point_t *near, blsh_point_t *far, unsigned stride, bool exchange,
                                               const blsh_factors_t *turn) {
    const blsh_point_t b = blsh_turn(blsh_load(near + stride), turn[0]);
    const blsh_point_t c = blsh_turn(blsh_load(far), turn[1]);
    const blsh_point_t d = blsh_turn(blsh_load(far + stride), turn[2]);
    blsh_butterfly4(near, far, stride, exchange, blsh_quarter(blsh_load(near)), b, c, d);
}

static inline void blsh_radix4_stage(blsh_point_t *z, unsigned points, unsigned quarter, bool exchange) {
    const blsh_point_t *const end = z + points;
    const unsigned step = 384u / quarter;
    blsh_point_t *near = z;
    do {
        const blsh_factors_t *turn = blsh_turn_q14;
        blsh_point_t *far = near + 2u * quarter;
        BLSH_UNROLL_TURNS
        do {
            blsh_turned_butterfly4(near++, far++, quarter, exchange, turn);
            turn += step;
        } while (turn != blsh_turn_q14 + 384);
        near = far + quarter;
    } while (near != end);
}

/* Every fourth butterfly has no turns. */
static inline void blsh_second_stage(blsh_point_t *z, unsigned points) {
    for (const blsh_point_t *end = z + points; z != end; z += 12) {
        blsh_butterfly4(z, z + 8, 4u, false, blsh_quarter(blsh_load(z)), blsh_quarter(blsh_load(z + 4)),
                        blsh_quarter(blsh_load(z + 8)), blsh_quarter(blsh_load(z + 12)));
        const blsh_factors_t *turn = blsh_turn_q14;
        for (const blsh_point_t *stop = z + 4; ++z != stop;) {
            turn += 96;
            blsh_turned_butterfly4(z, z + 8, 4u, false, turn);
        }
    }
}

static inline void blsh_radix2_stage(blsh_point_t *z, unsigned points, unsigned half) {
    const unsigned step = 384u / half;
    for (const blsh_point_t *end = z + points; z != end; z += half) {
        const blsh_factors_t *turn = blsh_turn_q14;
        BLSH_UNROLL_TURNS
        do {
            const blsh_point_t a = blsh_quarter(blsh_load(z)), b = blsh_turn(blsh_load(z + half), turn[1]);
            blsh_store(z, a.re + b.re, a.im + b.im);
            blsh_store(z + half, a.re - b.re, a.im - b.im);
            z++;
            turn += step;
        } while (turn != blsh_turn_q14 + 384);
    }
}

static inline void blsh_first_butterflies(const blsh_point_t *from, unsigned quarter, blsh_point_t *to, unsigned row) {
    BLSH_UNROLL(2)
    for (const blsh_point_t *end = from + 4; from != end; to += row) {
        const blsh_point_t a = blsh_load(from), b = blsh_load(from += quarter);
        const blsh_point_t c = blsh_load(from += quarter), d = blsh_load(from += quarter);
        blsh_butterfly4(to, to + 2, 1u, false, a, b, c, d);
        from -= 3u * quarter - 1u;
    }
}

static inline void blsh_copy_rows(blsh_point_t *to, const blsh_point_t *from, unsigned row) {
    for (const blsh_point_t *end = from + 16; from != end; from += 4, to += row) {
        BLSH_UNROLL(4)
        for (unsigned i = 0; i < 4u; i++) {
            const blsh_point_t value = blsh_load(from + i);
            blsh_store(to + i, value.re, value.im);
        }
    }
}

static inline void blsh_split(blsh_point_t *z, unsigned points) {
    const unsigned step = 512u / points;
    blsh_point_t *mirror = z + points;
    for (const blsh_factors_t *turn = blsh_split_q14; turn != blsh_split_q14 + 256; turn += step) {
        const blsh_point_t a = blsh_load(z), m = blsh_load(mirror), b = {m.re, -m.im};
        const blsh_point_t e = blsh_quarter(blsh_sum(a, b)), t = blsh_turn(blsh_difference(a, b), *turn);
        blsh_store(z++, e.re + t.im, e.im - t.re);
        blsh_store(mirror--, e.re - t.im, -(e.im + t.re));
    }
}

static inline void blsh_split_back(blsh_point_t *z, const int16_t *gain_q14, unsigned points, unsigned raised) {
    const unsigned step = 512u / points;
    blsh_point_t *mirror = z + points;
    const int16_t *mirror_gain = gain_q14 + points;
    for (const blsh_factors_t *turn = blsh_split_q14; turn != blsh_split_q14 + 256; turn += step) {
        const blsh_point_t a = blsh_scaled(blsh_load(z), raised, *gain_q14++);
        const blsh_point_t m = blsh_scaled(blsh_load(mirror), raised, *mirror_gain--), b = {m.re, -m.im};
        const blsh_point_t e = blsh_quarter(blsh_sum(a, b)), t = blsh_turn_back(blsh_difference(a, b), *turn);
        blsh_store(mirror--, t.re - e.im, e.re + t.im); /* for k = 0 behind the end of what is transformed */
        blsh_store(z++, e.im + t.re, e.re - t.im);
    }
}

#endif
