#include "blsh_fft.h"

#include "blsh_fixed.h"
#include "blsh_tables.h"

#define POINTS (BLSH_WINDOW / 2u) /* complex points: a real pair each */

typedef struct {
    int32_t re, im;
} point_t;

_Static_assert(sizeof(point_t) == 2u * sizeof(int32_t), "points must lie as interleaved values");

static inline int32_t cosine(unsigned index) { return blsh_sine_q14[(index + 256u) & 1023u]; }
static inline int32_t sine(unsigned index) { return blsh_sine_q14[index]; }

/* value * exp(-2 pi j index / 1024) / 4 */
static inline point_t turn(point_t value, unsigned index) {
    const int32_t c = cosine(index), s = sine(index);
    const point_t turned = {blsh_mul_r16(value.re, c) + blsh_mul_r16(value.im, s),
                            blsh_mul_r16(value.im, c) - blsh_mul_r16(value.re, s)};
    return turned;
}

/* value * exp(+2 pi j index / 1024) / 4 */
static inline point_t turn_back(point_t value, unsigned index) {
    const int32_t c = cosine(index), s = sine(index);
    const point_t turned = {blsh_mul_r16(value.re, c) - blsh_mul_r16(value.im, s),
                            blsh_mul_r16(value.im, c) + blsh_mul_r16(value.re, s)};
    return turned;
}

static inline point_t quarter_of(point_t value) {
    const point_t quarter = {blsh_rounded_shift(value.re, 2), blsh_rounded_shift(value.im, 2)};
    return quarter;
}

static inline point_t sum(point_t a, point_t b) {
    const point_t result = {a.re + b.re, a.im + b.im};
    return result;
}

static inline point_t difference(point_t a, point_t b) {
    const point_t result = {a.re - b.re, a.im - b.im};
    return result;
}

/* The four-point DFT of a, b, c, d into points `stride` apart. */
static inline void butterfly4(point_t *out, unsigned stride, point_t a, point_t b, point_t c, point_t d) {
    const point_t s0 = sum(a, c), s1 = difference(a, c), s2 = sum(b, d), s3 = difference(b, d);
    out[0] = sum(s0, s2);
    out[stride] = (point_t){s1.re + s3.im, s1.im - s3.re};
    out[2u * stride] = difference(s0, s2);
    out[3u * stride] = (point_t){s1.re - s3.im, s1.im + s3.re};
}

static void radix4_stage(point_t *z, unsigned quarter) {
    const unsigned step = BLSH_WINDOW / (4u * quarter);
    for (unsigned base = 0; base < POINTS; base += 4u * quarter) {
        for (unsigned k = 0; k < quarter; k++) {
            point_t *at = z + base + k;
            butterfly4(at, quarter, quarter_of(at[0]), turn(at[quarter], k * step),
                       turn(at[2u * quarter], 2u * k * step), turn(at[3u * quarter], 3u * k * step));
        }
    }
}

static void radix2_stage(point_t *z, unsigned half) {
    const unsigned step = BLSH_WINDOW / (2u * half);
    for (unsigned base = 0; base < POINTS; base += 2u * half) {
        for (unsigned k = 0; k < half; k++) {
            point_t *at = z + base + k;
            const point_t a = quarter_of(at[0]), b = turn(at[half], k * step);
            at[0] = sum(a, b);
            at[half] = difference(a, b);
        }
    }
}

/* The radices read the same in both directions, so the digit reversal swaps pairs and needs no second buffer. */
static inline unsigned digit_reversed(unsigned i) {
    return (i & 3u) << 7 | (i >> 2 & 3u) << 5 | (i >> 4 & 1u) << 4 | (i >> 5 & 3u) << 2 | i >> 7;
}

/* DFT of 512 points, scaled by 2^-8: radix 4, 4, 2, 4, 4, decimation in time. */
static void fft512(point_t *z) {
    for (unsigned i = 0; i < POINTS; i++) {
        const unsigned j = digit_reversed(i);
        if (j > i) {
            const point_t kept = z[i];
            z[i] = z[j];
            z[j] = kept;
        }
    }
    for (unsigned i = 0; i < POINTS; i += 4u) {
        butterfly4(z + i, 1u, z[i], z[i + 1u], z[i + 2u], z[i + 3u]);
    }
    radix4_stage(z, 4u);
    radix2_stage(z, 16u);
    radix4_stage(z, 32u);
    radix4_stage(z, 128u);
}

void blsh_real_spectrum(int32_t values[2u * BLSH_BINS]) {
    point_t *z = (point_t *)(void *)values;
    fft512(z);
    z[POINTS] = z[0]; /* the mirror of bin 0; becomes bin 512 */
    for (unsigned k = 0; k <= POINTS / 2u; k++) {
        const point_t a = z[k], b = {z[POINTS - k].re, -z[POINTS - k].im};
        const point_t e = quarter_of(sum(a, b)), t = turn(difference(a, b), k);
        z[k] = (point_t){e.re + t.im, e.im - t.re};
        z[POINTS - k] = (point_t){e.re - t.im, -(e.im + t.re)};
    }
}

void blsh_real_samples(int32_t values[2u * BLSH_BINS]) {
    point_t *z = (point_t *)(void *)values;
    /* The forward transform with real and imaginary parts exchanged before and after is the inverse one. */
    for (unsigned k = 0; k <= POINTS / 2u; k++) {
        const point_t a = z[k], b = {z[POINTS - k].re, -z[POINTS - k].im};
        const point_t e = quarter_of(sum(a, b)), t = turn_back(difference(a, b), k);
        z[POINTS - k] = (point_t){t.re - e.im, e.re + t.im}; /* for k = 0 behind the end of what is transformed */
        z[k] = (point_t){e.im + t.re, e.re - t.im};
    }
    fft512(z);
    for (unsigned k = 0; k < POINTS; k++) {
        z[k] = (point_t){z[k].im, z[k].re};
    }
}
