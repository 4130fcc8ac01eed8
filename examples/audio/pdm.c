// SPDX-License-Identifier: Apache-2.0
/* From the bits of a PDM microphone to samples; pdm.h is the manual.
 *
 * Bounds. A CIC of order N and ratio R shares out R^N: 2^20 for 16, 2^25 for 32. Its sums wrap at 2^32, and the
 * differences undo it (Hogenauer, "An Economical Class of Digital Filters for Decimation and Interpolation", 1981,
 * section II), because 2^32 > R^N. Behind it full scale is 2^20. The absolute taps sum to less than 2.04 * 2^16, so the
 * FIR's sum is below 2^38 and its output below 2.04 * 2^20. The offset lags that output: it stays below 2.04 * 2^28. */
#include "pdm.h"

#include <string.h>

#include "pdm_taps.h"

#define RATIO_OF_FIR 4u
#define SCALE_BITS   20u /* full scale behind the CIC is 2^SCALE_BITS */
#define OFFSET_BITS  8u  /* the high pass ends at rate / (2 pi 2^OFFSET_BITS) */
#define SAMPLE_BITS  15u /* of full scale of the output */

_Static_assert(PDM_TAPS % 2u == 1u && PDM_TAPS <= PDM_HISTORY && (PDM_HISTORY & (PDM_HISTORY - 1u)) == 0u,
               "the history holds the taps");

static int32_t rounded_shift(int32_t value, uint32_t bits) {
    return bits == 0u ? value : (value + (INT32_C(1) << (bits - 1u))) >> bits;
}

/* A sample of the CIC: its sums run over all bits, and its differences over what is kept of them. */
static int32_t cic(pdm_t *pdm, const uint16_t *words) {
    uint32_t a = pdm->integrator[0], b = pdm->integrator[1], c = pdm->integrator[2], d = pdm->integrator[3],
             e = pdm->integrator[4];

    for (uint32_t word = 0; word < pdm->words_a_sum; word++) {
        const uint32_t bits = words[word];
#pragma GCC unroll 16
        for (uint32_t i = 1; i <= PDM_WORD_BITS; i++) {
            a += bits >> (PDM_WORD_BITS - i) & 1u;
            b += a;
            c += b;
            d += c;
            e += d;
        }
    }
    pdm->integrator[0] = a, pdm->integrator[1] = b, pdm->integrator[2] = c, pdm->integrator[3] = d;
    pdm->integrator[4] = e;
    for (uint32_t i = 0; i < PDM_CIC_ORDER; i++) {
        const uint32_t before = pdm->comb[i];
        pdm->comb[i] = e;
        e -= before;
    }
    const int32_t middle = INT32_C(1) << (pdm->cic_bits - 1u); /* of as many ones as zeros */
    return rounded_shift(((int32_t)e - middle) * 2, pdm->cic_bits - SCALE_BITS);
}

bool pdm_init(pdm_t *pdm, uint32_t ratio, uint32_t gain_bits) {
    if ((ratio != 64u && ratio != 128u) || gain_bits > PDM_MOST_GAIN) {
        return false;
    }
    static const uint16_t silence[2] = {0x5555u, 0x5555u};

    memset(pdm, 0, sizeof *pdm);
    pdm->words_a_sum = ratio / RATIO_OF_FIR / PDM_WORD_BITS;
    pdm->cic_bits = ratio == 64u ? PDM_CIC_ORDER * 4u : PDM_CIC_ORDER * 5u;
    pdm->gain_bits = gain_bits;
    for (uint32_t i = 0; i < PDM_CIC_ORDER; i++) { /* or it would begin with a click, at the value of no ones at all */
        (void)cic(pdm, silence);
    }
    return true;
}

static void remember(pdm_t *pdm, int32_t sample) {
    pdm->newest = (pdm->newest + 1u) & (PDM_HISTORY - 1u);
    pdm->history[pdm->newest] = sample;
    pdm->history[pdm->newest + PDM_HISTORY] = sample;
}

static int32_t fir(const pdm_t *pdm) {
    const int32_t *oldest = &pdm->history[pdm->newest + PDM_HISTORY + 1u - PDM_TAPS], *newest = oldest + PDM_TAPS - 1;
    int64_t sum = (INT64_C(1) << (PDM_FRACTION_BITS - 1u)) + (int64_t)oldest[PDM_TAPS / 2u] * pdm_taps[PDM_TAPS / 2u];

#pragma GCC unroll 7
    for (uint32_t i = 0; i < PDM_TAPS / 2u; i++) { /* the taps read the same from both ends */
        sum += (int64_t)(*oldest++ + *newest--) * pdm_taps[i];
    }
    return (int32_t)(sum >> PDM_FRACTION_BITS);
}

static int32_t without_offset(pdm_t *pdm, int32_t value) {
    const int32_t left = value - rounded_shift(pdm->offset, OFFSET_BITS);

    pdm->offset += left;
    return left;
}

static int16_t saturated(int32_t value) {
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

void pdm_decimate(pdm_t *pdm, const uint16_t *words, int16_t *samples, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < RATIO_OF_FIR; j++, words += pdm->words_a_sum) {
            remember(pdm, cic(pdm, words));
        }
        const int32_t value = without_offset(pdm, fir(pdm));
        samples[i] = saturated(rounded_shift(value, SCALE_BITS - SAMPLE_BITS - pdm->gain_bits));
    }
}
