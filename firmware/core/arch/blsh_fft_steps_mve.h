// SPDX-License-Identifier: Apache-2.0
/* blsh_fft_steps.h by Helium, two points at a time as they lie: re, im, re, im. The same integers as in C, for VMULH by
 * a factor times 2^16 floors, and VCADD adds a point that is turned by a quarter. */
#ifndef BLSH_FFT_STEPS_MVE_H
#define BLSH_FFT_STEPS_MVE_H

#include <arm_mve.h>

typedef struct {
    int32x4_t cosine, sine; /* times 2^16 */
} blsh_vector_turn_t;

static inline int32x4_t blsh_load2(const blsh_point_t *from) { return vldrwq_s32(&from->re); }

static inline void blsh_store2(blsh_point_t *to, int32x4_t value) { vstrwq_s32(&to->re, value); }

/* from[0] and from[-1] */
static inline int32x4_t blsh_load2_down(const blsh_point_t *from) {
    const uint64x2_t down = {8u, 0u};
    return vreinterpretq_s32_s64(vldrdq_gather_offset_s64((const int64_t *)(const void *)(from - 1), down));
}

static inline void blsh_store2_down(blsh_point_t *to, int32x4_t value) {
    const uint64x2_t down = {8u, 0u};
    vstrdq_scatter_offset_s64((int64_t *)(void *)(to - 1), down, vreinterpretq_s64_s32(value));
}

/* Where turn[0] and turn[step] lie behind a `turn`, in bytes, for both parts of a point each. */
static inline uint32x4_t blsh_turn_places(unsigned step) {
    const uint32x4_t second = {0u, 0u, 4u, 4u};
    return vmulq_n_u32(second, step);
}

static inline blsh_vector_turn_t blsh_turns_at(const blsh_factors_t *turn, uint32x4_t places) {
    const uint32x4_t both = vldrwq_gather_offset_u32(turn, places);
    const blsh_vector_turn_t result = {vreinterpretq_s32_u32(vshlq_n_u32(both, 16)),
                                       vreinterpretq_s32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000u)))};
    return result;
}

static inline int32x4_t blsh_turn2(int32x4_t value, blsh_vector_turn_t turn) {
    return vcaddq_rot270_s32(vmulhq_s32(value, turn.cosine), vmulhq_s32(value, turn.sine));
}

static inline int32x4_t blsh_turn2_back(int32x4_t value, blsh_vector_turn_t turn) {
    return vcaddq_rot90_s32(vmulhq_s32(value, turn.cosine), vmulhq_s32(value, turn.sine));
}

static inline int32x4_t blsh_conjugate2(int32x4_t value) {
    return vcaddq_rot270_s32(vdupq_n_s32(0), vrev64q_s32(value));
}

static inline int32x4_t blsh_exchange2(int32x4_t value, bool exchange) { return exchange ? vrev64q_s32(value) : value; }

static inline void blsh_first_butterflies(const blsh_point_t *from, unsigned quarter, blsh_point_t *to, unsigned row) {
    const uint32x4_t second = {0u, 0u, 8u, 0u}; /* gcc 12 gets a vector of two variable words of 64 bits wrong */
    const uint64x2_t rows = vreinterpretq_u64_u32(vmulq_n_u32(second, row));
    for (unsigned e = 0; e < 4u; e += 2u, from += 2, to += 2u * row) {
        const int32x4_t a = blsh_load2(from), b = blsh_load2(from + quarter);
        const int32x4_t c = blsh_load2(from + 2u * quarter), d = blsh_load2(from + 3u * quarter);
        const int32x4_t s0 = vaddq_s32(a, c), s1 = vsubq_s32(a, c), s2 = vaddq_s32(b, d), s3 = vsubq_s32(b, d);
        int64_t *out = (int64_t *)(void *)to;
        vstrdq_scatter_offset_s64(out, rows, vreinterpretq_s64_s32(vaddq_s32(s0, s2)));
        vstrdq_scatter_offset_s64(out + 1, rows, vreinterpretq_s64_s32(vcaddq_rot270_s32(s1, s3)));
        vstrdq_scatter_offset_s64(out + 2, rows, vreinterpretq_s64_s32(vsubq_s32(s0, s2)));
        vstrdq_scatter_offset_s64(out + 3, rows, vreinterpretq_s64_s32(vcaddq_rot90_s32(s1, s3)));
    }
}

static inline void blsh_copy_rows(blsh_point_t *to, const blsh_point_t *from, unsigned row) {
    for (const blsh_point_t *end = from + 16; from != end; from += 4, to += row) {
        const int32x4_t low = blsh_load2(from), high = blsh_load2(from + 2);
        blsh_store2(to, low);
        blsh_store2(to + 2, high);
    }
}

static inline void blsh_radix4_stage(blsh_point_t *z, unsigned points, unsigned quarter, bool exchange) {
    const unsigned step = 384u / quarter;
    uint32x4_t places = blsh_turn_places(step);
    for (unsigned k = 0; k < quarter; k += 2u, z += 2) {
        const blsh_vector_turn_t once = blsh_turns_at(blsh_turn_q14, places);
        const blsh_vector_turn_t twice = blsh_turns_at(blsh_turn_q14 + 1, places);
        const blsh_vector_turn_t thrice = blsh_turns_at(blsh_turn_q14 + 2, places);
        places = vaddq_n_u32(places, 8u * step);
        blsh_point_t *at = z;
        for (unsigned block = 0; block < points / (4u * quarter); block++, at += 4u * quarter) {
            const int32x4_t b = blsh_turn2(blsh_load2(at + quarter), once);
            const int32x4_t d = blsh_turn2(blsh_load2(at + 3u * quarter), thrice);
            const int32x4_t s2 = vaddq_s32(b, d), s3 = vsubq_s32(b, d);
            const int32x4_t c = blsh_turn2(blsh_load2(at + 2u * quarter), twice);
            const int32x4_t a = vshrq_n_s32(blsh_load2(at), 2);
            const int32x4_t s0 = vaddq_s32(a, c), s1 = vsubq_s32(a, c);
            blsh_store2(at, blsh_exchange2(vaddq_s32(s0, s2), exchange));
            blsh_store2(at + quarter, blsh_exchange2(vcaddq_rot270_s32(s1, s3), exchange));
            blsh_store2(at + 2u * quarter, blsh_exchange2(vsubq_s32(s0, s2), exchange));
            blsh_store2(at + 3u * quarter, blsh_exchange2(vcaddq_rot90_s32(s1, s3), exchange));
        }
    }
}

static inline void blsh_second_stage(blsh_point_t *z, unsigned points) { blsh_radix4_stage(z, points, 4u, false); }

static inline void blsh_radix2_stage(blsh_point_t *z, unsigned points, unsigned half) {
    const unsigned step = 384u / half;
    uint32x4_t places = blsh_turn_places(step);
    for (unsigned k = 0; k < half; k += 2u, z += 2) {
        const blsh_vector_turn_t once = blsh_turns_at(blsh_turn_q14 + 1, places);
        places = vaddq_n_u32(places, 8u * step);
        blsh_point_t *at = z;
        for (unsigned block = 0; block < points / (2u * half); block++, at += 2u * half) {
            const int32x4_t a = vshrq_n_s32(blsh_load2(at), 2), b = blsh_turn2(blsh_load2(at + half), once);
            blsh_store2(at, vaddq_s32(a, b));
            blsh_store2(at + half, vsubq_s32(a, b));
        }
    }
}

static inline void blsh_split(blsh_point_t *z, unsigned points) {
    const unsigned step = 512u / points;
    blsh_point_t *mirror = z + points;
    uint32x4_t places = blsh_turn_places(step);
    for (unsigned k = 0; k < points / 2u; k += 2u, z += 2, mirror -= 2) {
        const int32x4_t a = blsh_load2(z), m = vrev64q_s32(blsh_load2_down(mirror));
        const int32x4_t t = blsh_turn2(vcaddq_rot90_s32(a, m), blsh_turns_at(blsh_split_q14, places));
        const int32x4_t e = vshrq_n_s32(vcaddq_rot270_s32(a, m), 2);
        places = vaddq_n_u32(places, 8u * step);
        blsh_store2(z, vcaddq_rot270_s32(e, t));
        blsh_store2_down(mirror, blsh_conjugate2(vcaddq_rot90_s32(e, t)));
    }
}

/* The same two points, times 2^bits. */
static inline int32x4_t blsh_raised2(int32x4_t value, unsigned bits) {
    return bits == 0u ? value : vshlq_r_s32(value, (int32_t)bits);
}

static inline void blsh_split_back(blsh_point_t *z, const int16_t *gain_q14, unsigned points, unsigned raised) {
    const unsigned step = 512u / points;
    blsh_point_t *mirror = z + points;
    uint32x4_t places = blsh_turn_places(step);
    const int16_t *mirror_gain = gain_q14 + points - 1u;
    const uint32x4_t up = {0u, 0u, 2u, 2u}, down = {2u, 2u, 0u, 0u};
    for (unsigned k = 0; k < points / 2u; k += 2u, z += 2, mirror -= 2, gain_q14 += 2, mirror_gain -= 2) {
        const int32x4_t gain = vshlq_n_s32(vldrhq_gather_offset_s32(gain_q14, up), 16);
        const int32x4_t other = vshlq_n_s32(vldrhq_gather_offset_s32(mirror_gain, down), 16);
        const int32x4_t a = vmulhq_s32(blsh_raised2(blsh_load2(z), raised), gain);
        const int32x4_t m = vrev64q_s32(vmulhq_s32(blsh_raised2(blsh_load2_down(mirror), raised), other));
        const int32x4_t t = blsh_turn2_back(vcaddq_rot90_s32(a, m), blsh_turns_at(blsh_split_q14, places));
        const int32x4_t e = vshrq_n_s32(vcaddq_rot270_s32(a, m), 2);
        places = vaddq_n_u32(places, 8u * step);
        blsh_store2(z, vrev64q_s32(vcaddq_rot90_s32(e, t)));
        blsh_store2_down(mirror, vcaddq_rot90_s32(vdupq_n_s32(0), vcaddq_rot270_s32(e, t)));
    }
}

#endif
