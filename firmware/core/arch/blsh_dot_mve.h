// SPDX-License-Identifier: Apache-2.0
/* blsh_dot.h by Helium: eight products at once. */
#ifndef BLSH_DOT_MVE_H
#define BLSH_DOT_MVE_H

#include <arm_mve.h>

static inline int32_t blsh_dot_s16(const int16_t *a, const int16_t *b, unsigned count) {
    int32_t sum = 0;
    for (; count > 0u; count = count > 8u ? count - 8u : 0u) {
        const mve_pred16_t inside = vctp16q(count);
        sum = vmladavaq_s16(sum, vldrhq_z_s16(a, inside), vldrhq_z_s16(b, inside));
        a += 8;
        b += 8;
    }
    return sum;
}

static inline int32_t blsh_sum_s16(const int16_t *values, unsigned count) {
    int32_t sum = 0;
    for (const int16_t *const end = values + count; values < end; values += 8) {
        sum = vaddvaq_s16(sum, vldrhq_s16(values));
    }
    return sum;
}

static inline uint64_t blsh_squares_s16(const int16_t *values, unsigned count) {
    int64_t sum = 0;
    for (; count >= 8u; count -= 8u, values += 8) {
        const int16x8_t eight = vldrhq_s16(values);
        sum = vmlaldavaq_s16(sum, eight, eight);
    }
    const int16x8_t rest = vldrhq_z_s16(values, vctp16q(count));
    return (uint64_t)vmlaldavaq_s16(sum, rest, rest);
}

static inline void blsh_dot4_u8(const uint8_t *weight, const int16_t *features, unsigned count, int32_t sums[4]) {
    static const uint16_t order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    const uint16x8_t place = vldrhq_u16(order);
    int32_t first = 0, second = 0, third = 0, fourth = 0;
    for (const int16_t *const end = features + count; features < end; features += 8, weight += 32) {
        const int16x8_t x = vldrhq_gather_shifted_offset_s16(features, place);
        first = vmladavaq_s16(first, vreinterpretq_s16_u16(vldrbq_u16(weight)), x);
        second = vmladavaq_s16(second, vreinterpretq_s16_u16(vldrbq_u16(weight + 8)), x);
        third = vmladavaq_s16(third, vreinterpretq_s16_u16(vldrbq_u16(weight + 16)), x);
        fourth = vmladavaq_s16(fourth, vreinterpretq_s16_u16(vldrbq_u16(weight + 24)), x);
    }
    sums[0] = first;
    sums[1] = second;
    sums[2] = third;
    sums[3] = fourth;
}

#endif
