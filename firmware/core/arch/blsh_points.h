// SPDX-License-Identifier: Apache-2.0
/* Complex points of the transforms (SPEC.md, 4.2), the parts of a butterfly. */
#ifndef BLSH_POINTS_H
#define BLSH_POINTS_H

#include <stdbool.h>

#include "../blsh_constants.h"
#include "blsh_multiply.h"
#include "blsh_pairs.h"

typedef struct {
    int32_t re, im;
} blsh_point_t;

_Static_assert(sizeof(blsh_point_t) == 2u * sizeof(int32_t), "points must lie as interleaved values");

#if defined(BLSH_ASM_PAIRS)
static inline blsh_point_t blsh_load(const blsh_point_t *from) {
    uint32_t re, im;
    blsh_load_pair(from, &re, &im);
    return (blsh_point_t){(int32_t)re, (int32_t)im};
}

static inline void blsh_store(blsh_point_t *to, int32_t re, int32_t im) {
    blsh_store_pair(to, (uint32_t)re, (uint32_t)im);
}
#else
static inline blsh_point_t blsh_load(const blsh_point_t *from) { return *from; }

static inline void blsh_store(blsh_point_t *to, int32_t re, int32_t im) {
    to->re = re;
    to->im = im;
}
#endif

static inline blsh_point_t blsh_sum(blsh_point_t a, blsh_point_t b) {
    const blsh_point_t result = {a.re + b.re, a.im + b.im};
    return result;
}

static inline blsh_point_t blsh_difference(blsh_point_t a, blsh_point_t b) {
    const blsh_point_t result = {a.re - b.re, a.im - b.im};
    return result;
}

static inline blsh_point_t blsh_quarter(blsh_point_t a) {
    const blsh_point_t result = {a.re >> 2, a.im >> 2};
    return result;
}

/* value * 2^raised * gain / 2^16 */
static inline blsh_point_t blsh_scaled(blsh_point_t value, unsigned raised, int32_t gain) {
    const blsh_point_t result = {blsh_mul_q16((int32_t)((uint32_t)value.re << raised), gain),
                                 blsh_mul_q16((int32_t)((uint32_t)value.im << raised), gain)};
    return result;
}

/* value * (cos - j sin) / 4 */
#if defined(BLSH_ASM_THUMB1)
static inline blsh_point_t blsh_turn(blsh_point_t value, blsh_factors_t turn) {
    /* Each part as 2^16 high + low: two products of 32 bits for one of 48. In seven registers; a compiler spills. */
    blsh_point_t result;
    int32_t c, part;
    __asm__(".syntax unified\n\t"
            "sxth %[c], %[s]\n\t"
            "asrs %[s], %[s], #16\n\t"
            "uxth %[im], %[x]\n\t"
            "movs %[re], %[im]\n\t"
            "muls %[re], %[c]\n\t"
            "asrs %[re], %[re], #16\n\t"
            "muls %[im], %[s]\n\t"
            "asrs %[im], %[im], #16\n\t" /* re = low x c, im = low x s */
            "uxth %[part], %[y]\n\t"
            "muls %[part], %[s]\n\t"
            "asrs %[part], %[part], #16\n\t"
            "adds %[re], %[re], %[part]\n\t"
            "uxth %[part], %[y]\n\t"
            "muls %[part], %[c]\n\t"
            "asrs %[part], %[part], #16\n\t"
            "subs %[im], %[part], %[im]\n\t"
            "asrs %[x], %[x], #16\n\t"
            "movs %[part], %[x]\n\t"
            "muls %[part], %[c]\n\t"
            "adds %[re], %[re], %[part]\n\t"
            "muls %[x], %[s]\n\t"
            "subs %[im], %[im], %[x]\n\t"
            "asrs %[y], %[y], #16\n\t"
            "muls %[c], %[y]\n\t"
            "adds %[im], %[im], %[c]\n\t"
            "muls %[y], %[s]\n\t"
            "adds %[re], %[re], %[y]"
            : [re] "=&l"(result.re), [im] "=&l"(result.im), [x] "+l"(value.re), [y] "+l"(value.im), [s] "+l"(turn),
              [c] "=&l"(c), [part] "=&l"(part)
            :
            : "cc");
    return result;
}
#else
static inline blsh_point_t blsh_turn(blsh_point_t value, blsh_factors_t turn) {
    const blsh_point_t result = {blsh_add_mul_high(blsh_mul_low(value.re, turn), value.im, turn),
                                 blsh_mul_low(value.im, turn) - blsh_mul_high(value.re, turn)};
    return result;
}
#endif

/* value * (cos + j sin) / 4: as above, but for exchanged parts */
static inline blsh_point_t blsh_turn_back(blsh_point_t value, blsh_factors_t turn) {
    const blsh_point_t turned = blsh_turn((blsh_point_t){value.im, value.re}, turn);
    return (blsh_point_t){turned.im, turned.re};
}

#endif
