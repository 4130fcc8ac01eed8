#include "blsh_fixed.h"
#include "blsh_stages.h"
#include "blsh_tables.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

#define OVERLAP_FRACTION_BITS 8
#define THIRD_Q16 21845 /* squared Hann windows sum to 3/2; a third here, and one bit less in the last shift */

/* A windowed output sample in Q23.8, whatever block shift its frame had. */
static inline int32_t synthesised(int32_t value, int32_t window, unsigned down) {
    return blsh_mul_q16((int32_t)((uint32_t)value << OVERLAP_FRACTION_BITS), window) >> down;
}

static inline int16_t output_sample(int32_t total, int32_t third) {
    return blsh_saturated_shift(blsh_mul_q16(total, third) + 64, OVERLAP_FRACTION_BITS - 1);
}

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
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        sums[n] = (before == NULL ? 0 : before[n]) + synthesised(values[n], *window, down);
        window += step;
    }
#endif
}

void blsh_overlap_add(blsh_state_t *state, int16_t output[BLSH_HOP]) {
    int32_t *overlap = state->overlap;
    const int32_t *values = state->frame.values;
    const int16_t *window = blsh_window_q14;
    const unsigned down = (unsigned)(state->frame.shift + 1);
    const int32_t third = blsh_factor(THIRD_Q16);
#if defined(__ARM_FEATURE_MVE)
    add_part(overlap, overlap, values, window, 1, down);
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        output[n] = output_sample(overlap[n], third);
    }
#else
    BLSH_UNROLL(8)
    for (unsigned n = 0; n < BLSH_HOP; n++) {
        output[n] = output_sample(overlap[n] + synthesised(values[n], window[n], down), third);
    }
#endif
    add_part(overlap, overlap + 256, values + 256, window + 256, 1, down);
    add_part(overlap + 256, overlap + 512, values + 512, window + 512, -1, down);
    add_part(overlap + 512, NULL, values + 768, window + 256, -1, down);
}
