// SPDX-License-Identifier: Apache-2.0
/* blsh_dot.h in plain C. */
#ifndef BLSH_DOT_PORTABLE_H
#define BLSH_DOT_PORTABLE_H

#include <stdint.h>

static inline int32_t blsh_dot_s16(const int16_t *a, const int16_t *b, unsigned count) {
    uint32_t sum = 0;
    for (const int16_t *const end = a + count; a < end; a++, b++) {
        sum += (uint32_t)(*a * *b);
    }
    return (int32_t)sum;
}

static inline void blsh_dot2_s8(const int8_t *const row[2], const int16_t *features, unsigned count, int32_t sums[2]) {
    const int8_t *row0 = row[0], *row1 = row[1];
    int32_t first = 0, second = 0;
    for (const int16_t *const end = features + count; features < end; features += 4, row0 += 4, row1 += 4) {
        const int32_t x0 = features[0], x1 = features[1], x2 = features[2], x3 = features[3];
        first += row0[0] * x0 + row0[2] * x1 + row0[1] * x2 + row0[3] * x3;
        second += row1[0] * x0 + row1[2] * x1 + row1[1] * x2 + row1[3] * x3;
    }
    sums[0] = first;
    sums[1] = second;
}

#endif
