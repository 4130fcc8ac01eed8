// SPDX-License-Identifier: Apache-2.0
/* Stand-ins on a host for the Helium intrinsics that the core uses, so that tests, sanitizers and coverage see its
 * Helium variants. Each says in C, lane by lane, what the Arm C Language Extensions say; arithmetic is modulo 2^32.
 * Compile with -D__ARM_FEATURE_MVE=1 and this folder as include path, on a little-endian machine. */
#ifndef BLSH_STAND_IN_ARM_MVE_H
#define BLSH_STAND_IN_ARM_MVE_H

#include <stdint.h>
#include <string.h>

typedef int16_t int16x8_t __attribute__((vector_size(16)));
typedef uint16_t uint16x8_t __attribute__((vector_size(16)));
typedef int32_t int32x4_t __attribute__((vector_size(16)));
typedef uint32_t uint32x4_t __attribute__((vector_size(16)));
typedef int64_t int64x2_t __attribute__((vector_size(16)));
typedef uint64_t uint64x2_t __attribute__((vector_size(16)));
typedef uint16_t mve_pred16_t; /* a bit for each byte of a vector */

typedef struct {
    int32x4_t val[2];
} int32x4x2_t;

/* ---- constants, and the same bits as another type ---- */

static inline int16x8_t vdupq_n_s16(int16_t value) {
    return (int16x8_t){value, value, value, value, value, value, value, value};
}

static inline int32x4_t vdupq_n_s32(int32_t value) { return (int32x4_t){value, value, value, value}; }
static inline uint32x4_t vdupq_n_u32(uint32_t value) { return (uint32x4_t){value, value, value, value}; }

static inline uint32x4_t vidupq_n_u32(uint32_t first, int step) {
    const uint32_t up = (uint32_t)step;
    return (uint32x4_t){first, first + up, first + 2u * up, first + 3u * up};
}

static inline uint32x4_t vddupq_n_u32(uint32_t first, int step) {
    const uint32_t down = (uint32_t)step;
    return (uint32x4_t){first, first - down, first - 2u * down, first - 3u * down};
}

static inline int32x4_t vreinterpretq_s32_s64(int64x2_t value) { return (int32x4_t)value; }
static inline int64x2_t vreinterpretq_s64_s32(int32x4_t value) { return (int64x2_t)value; }
static inline int16x8_t vreinterpretq_s16_u16(uint16x8_t value) { return (int16x8_t)value; }
static inline int32x4_t vreinterpretq_s32_u32(uint32x4_t value) { return (int32x4_t)value; }
static inline uint64x2_t vreinterpretq_u64_u32(uint32x4_t value) { return (uint64x2_t)value; }

static inline int32_t vgetq_lane_s32(int32x4_t value, int lane) { return value[lane]; }

/* ---- loads and stores, each lane where it lies ---- */

static inline int32x4_t vldrwq_s32(const int32_t *from) {
    int32x4_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint32x4_t vld1q_u32(const uint32_t *from) {
    uint32x4_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void vst1q_s16(int16_t *to, int16x8_t value) { memcpy(to, &value, sizeof value); }
static inline void vstrwq_s32(int32_t *to, int32x4_t value) { memcpy(to, &value, sizeof value); }
static inline void vst1q_u32(uint32_t *to, uint32x4_t value) { memcpy(to, &value, sizeof value); }

static inline uint16x8_t vldrhq_u16(const uint16_t *from) {
    uint16x8_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline int16x8_t vldrhq_s16(const int16_t *from) {
    int16x8_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline int32x4_t vldrhq_s32(const int16_t *from) { return (int32x4_t){from[0], from[1], from[2], from[3]}; }
static inline uint32x4_t vldrbq_u32(const uint8_t *from) { return (uint32x4_t){from[0], from[1], from[2], from[3]}; }

static inline int16x8_t vldrbq_s16(const int8_t *from) {
    return (int16x8_t){from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]};
}

static inline uint16x8_t vldrbq_u16(const uint8_t *from) {
    return (uint16x8_t){from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]};
}

static inline void vstrhq_s32(int16_t *to, int32x4_t value) {
    for (int lane = 0; lane < 4; lane++) {
        to[lane] = (int16_t)value[lane];
    }
}

/* val[0] gets the even words, val[1] the odd ones. */
static inline int32x4x2_t vld2q_s32(const int32_t *from) {
    return (int32x4x2_t){{{from[0], from[2], from[4], from[6]}, {from[1], from[3], from[5], from[7]}}};
}

/* Only the lanes that `inside` has are read; the others are 0. */
static inline int16x8_t vldrhq_z_s16(const int16_t *from, mve_pred16_t inside) {
    int16x8_t value = {0};
    for (int lane = 0; lane < 8; lane++) {
        if ((inside >> (2 * lane) & 1) != 0) {
            value[lane] = from[lane];
        }
    }
    return value;
}

static inline mve_pred16_t vctp16q(uint32_t count) {
    return (mve_pred16_t)(count < 8u ? (1u << (2u * count)) - 1u : 0xffffu);
}

static inline int32x4_t vldrhq_gather_shifted_offset_s32(const int16_t *base, uint32x4_t place) {
    return (int32x4_t){base[place[0]], base[place[1]], base[place[2]], base[place[3]]};
}

static inline int16x8_t vldrhq_gather_shifted_offset_s16(const int16_t *base, uint16x8_t place) {
    int16x8_t value;
    for (int lane = 0; lane < 8; lane++) {
        value[lane] = base[place[lane]];
    }
    return value;
}

static inline int32x4_t vldrhq_gather_offset_s32(const int16_t *base, uint32x4_t offset) {
    int32x4_t value;
    for (int lane = 0; lane < 4; lane++) {
        int16_t half;
        memcpy(&half, (const char *)base + offset[lane], sizeof half);
        value[lane] = half;
    }
    return value;
}

static inline uint32x4_t vldrwq_gather_offset_u32(const uint32_t *base, uint32x4_t offset) {
    uint32x4_t value;
    for (int lane = 0; lane < 4; lane++) {
        uint32_t word;
        memcpy(&word, (const char *)base + offset[lane], sizeof word);
        value[lane] = word;
    }
    return value;
}

static inline int64x2_t vldrdq_gather_offset_s64(const int64_t *base, uint64x2_t offset) {
    int64x2_t value;
    for (int lane = 0; lane < 2; lane++) {
        int64_t pair;
        memcpy(&pair, (const char *)base + offset[lane], sizeof pair);
        value[lane] = pair;
    }
    return value;
}

static inline void vstrdq_scatter_offset_s64(int64_t *base, uint64x2_t offset, int64x2_t value) {
    for (int lane = 0; lane < 2; lane++) {
        const int64_t pair = value[lane];
        memcpy((char *)base + offset[lane], &pair, sizeof pair);
    }
}

/* ---- lane by lane ---- */

#define BLSH_LANE_BY_LANE(expression)                                                                                  \
    int32x4_t result;                                                                                                  \
    for (int lane = 0; lane < 4; lane++) {                                                                             \
        result[lane] = (int32_t)(expression);                                                                          \
    }                                                                                                                  \
    return result

static inline int16x8_t vaddq_s16(int16x8_t a, int16x8_t b) { return a + b; }
static inline int32x4_t vaddq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE((uint32_t)a[lane] + (uint32_t)b[lane]);
}

static inline int32x4_t vsubq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE((uint32_t)a[lane] - (uint32_t)b[lane]);
}

static inline int32x4_t vmulq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE((uint32_t)a[lane] * (uint32_t)b[lane]);
}

static inline int32x4_t vmulq_n_s32(int32x4_t a, int32_t b) { return vmulq_s32(a, vdupq_n_s32(b)); }
static inline int32x4_t vaddq_n_s32(int32x4_t a, int32_t b) { return vaddq_s32(a, vdupq_n_s32(b)); }

/* a + b * c */
static inline int32x4_t vmlaq_n_s32(int32x4_t a, int32x4_t b, int32_t c) { return vaddq_s32(a, vmulq_n_s32(b, c)); }

/* the upper word of the product of 64 bits */
static inline int32x4_t vmulhq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE((uint32_t)(uint64_t)(((int64_t)a[lane] * b[lane]) >> 32));
}

static inline int32x4_t vmaxq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE(a[lane] > b[lane] ? a[lane] : b[lane]);
}

static inline int32x4_t vminq_s32(int32x4_t a, int32x4_t b) {
    BLSH_LANE_BY_LANE(a[lane] < b[lane] ? a[lane] : b[lane]);
}

static inline int32x4_t vorrq_s32(int32x4_t a, int32x4_t b) { return a | b; }
static inline int32x4_t veorq_s32(int32x4_t a, int32x4_t b) { return a ^ b; }
static inline uint32x4_t vandq_u32(uint32x4_t a, uint32x4_t b) { return a & b; }
static inline uint32x4_t vaddq_n_u32(uint32x4_t a, uint32_t b) { return a + vdupq_n_u32(b); }
static inline uint32x4_t vmulq_n_u32(uint32x4_t a, uint32_t b) { return a * vdupq_n_u32(b); }
static inline uint32x4_t vshlq_n_u32(uint32x4_t a, int bits) { return a << vdupq_n_u32((uint32_t)bits); }

static inline int32x4_t vshlq_n_s32(int32x4_t a, int bits) { BLSH_LANE_BY_LANE((uint32_t)a[lane] << bits); }
static inline int32x4_t vshrq_n_s32(int32x4_t a, int bits) { BLSH_LANE_BY_LANE(a[lane] >> bits); }

/* to the left, or by a negative `bits` to the right; -32 < bits < 32 here */
static inline int32x4_t vshlq_r_s32(int32x4_t a, int32_t bits) {
    return bits >= 0 ? vshlq_n_s32(a, bits) : vshrq_n_s32(a, -bits);
}

/* the two words of each pair change places */
static inline int32x4_t vrev64q_s32(int32x4_t a) { return (int32x4_t){a[1], a[0], a[3], a[2]}; }

/* a + j b, each pair of words a complex number */
static inline int32x4_t vcaddq_rot90_s32(int32x4_t a, int32x4_t b) {
    return vaddq_s32(a, vmulq_s32(vrev64q_s32(b), (int32x4_t){-1, 1, -1, 1}));
}

/* a - j b */
static inline int32x4_t vcaddq_rot270_s32(int32x4_t a, int32x4_t b) {
    return vaddq_s32(a, vmulq_s32(vrev64q_s32(b), (int32x4_t){1, -1, 1, -1}));
}

/* ---- across the lanes ---- */

static inline int32_t vmladavaq_s16(int32_t sum, int16x8_t a, int16x8_t b) {
    uint32_t total = (uint32_t)sum;
    for (int lane = 0; lane < 8; lane++) {
        total += (uint32_t)(a[lane] * b[lane]);
    }
    return (int32_t)total;
}

static inline int64_t vmlaldavaq_s16(int64_t sum, int16x8_t a, int16x8_t b) {
    for (int lane = 0; lane < 8; lane++) {
        sum += a[lane] * b[lane];
    }
    return sum;
}

static inline int32_t vaddvaq_s16(int32_t sum, int16x8_t a) {
    int64_t total = sum;
    for (int lane = 0; lane < 8; lane++) {
        total += a[lane];
    }
    return (int32_t)total;
}

static inline uint32_t vmaxvq_u32(uint32_t largest, uint32x4_t a) {
    for (int lane = 0; lane < 4; lane++) {
        largest = a[lane] > largest ? a[lane] : largest;
    }
    return largest;
}

static inline uint32_t vminvq_u32(uint32_t least, uint32x4_t a) {
    for (int lane = 0; lane < 4; lane++) {
        least = a[lane] < least ? a[lane] : least;
    }
    return least;
}

#endif
