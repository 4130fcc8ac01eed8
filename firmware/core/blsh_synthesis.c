#include "blsh_fixed.h"
#include "blsh_points.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

#define OVERLAP_FRACTION_BITS 8
#define THIRD_Q16 21845 /* squared Hann windows sum to 3/2; a third here, and one bit less in the last shift */

#if !defined(__ARM_FEATURE_MVE)
/* A windowed output sample in Q23.8, whatever block shift its frame had. */
static inline int32_t synthesised(int32_t value, int32_t window, unsigned down) {
    return blsh_mul_q16((int32_t)((uint32_t)value << OVERLAP_FRACTION_BITS), window) >> down;
}
#endif

/* Replaces a hop's values by its overlap sums, if any, and the synthesised frame, through the half of the window that
 * rises (step 1) or falls (step -1). `sums` may be `before` or lie in front of it. */
static inline void add_part(int32_t *sums, const int32_t *before, const int32_t *values, const int16_t *window,
                            int step, unsigned down) {
#if defined(__ARM_FEATURE_MVE)
    const uint32x4_t place = step > 0 ? vidupq_n_u32(0, 1) : vddupq_n_u32(3, 1);
    const int16_t *lowest = step > 0 ? window : window - 3;
    for (unsigned n = 0; n < BLSH_HOP; n += 4u) {
        const int32x4_t w = vshlq_n_s32(vldrhq_gather_shifted_offset_s32(lowest, place), 16);
        const int32x4_t v = vmulhq_s32(vshlq_n_s32(vldrwq_s32(values + n), OVERLAP_FRACTION_BITS), w);
        const int32x4_t shifted = vshlq_r_s32(v, -(int32_t)down);
        vstrwq_s32(sums + n, before == NULL ? shifted : vaddq_s32(shifted, vldrwq_s32(before + n)));
        lowest += 4 * step;
    }
#else
    BLSH_UNROLL(4)
    for (unsigned n = 0; n < BLSH_HOP; n += 2u) {
        const blsh_point_t old = before == NULL ? (blsh_point_t){0, 0} : blsh_load((const blsh_point_t *)(before + n));
        const blsh_point_t value = blsh_load((const blsh_point_t *)(values + n));
        const int32_t first = old.re + synthesised(value.re, window[0], down);
        const int32_t second = old.im + synthesised(value.im, window[step], down);
        blsh_store((blsh_point_t *)(sums + n), first, second);
        window += 2 * step;
    }
#endif
}

/* The sums that a frame's first hop completes, as samples. */
static inline void write_output(int16_t output[BLSH_HOP], int32_t *sums, const int32_t *values, const int16_t *window,
                                unsigned down) {
#if defined(__ARM_FEATURE_MVE)
    add_part(sums, sums, values, window, 1, down);
    for (unsigned n = 0; n < BLSH_HOP; n += 4u) {
        const int32x4_t third = vmulhq_s32(vldrwq_s32(sums + n), vdupq_n_s32((int32_t)THIRD_Q16 << 16));
        const int32x4_t step = vshrq_n_s32(vaddq_n_s32(third, 64), OVERLAP_FRACTION_BITS - 1);
        vstrhq_s32(output + n, vminq_s32(vmaxq_s32(step, vdupq_n_s32(INT16_MIN)), vdupq_n_s32(INT16_MAX)));
    }
#else
    const int32_t third = blsh_factor(THIRD_Q16);
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        const int32_t total = sums[n] + synthesised(values[n], window[n], down);
        output[n] = blsh_saturated_shift(blsh_mul_q16(total, third) + 64, OVERLAP_FRACTION_BITS - 1);
    }
#endif
}

void blsh_overlap_add(blsh_state_t *state, int16_t output[BLSH_HOP]) {
    int32_t *overlap = state->overlap;
    const int32_t *values = state->frame.values;
    const int16_t *window = blsh_window_q14;
    const unsigned down = (unsigned)(state->frame.shift + 1);
    write_output(output, overlap, values, window, down);
    add_part(overlap, overlap + 256, values + 256, window + 256, 1, down);
    add_part(overlap + 256, overlap + 512, values + 512, window + 512, -1, down);
    add_part(overlap + 512, NULL, values + 768, window + 256, -1, down);
}
