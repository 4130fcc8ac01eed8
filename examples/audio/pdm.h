// SPDX-License-Identifier: Apache-2.0
/* From the bits of a PDM microphone to samples: 64 or 128 bits to a sample, in fixed point.
 *
 *     static pdm_t pdm;
 *
 *     pdm_init(&pdm, 64, 4);                       // 1.024 MHz to 16 kHz, 4 * 6 dB louder
 *     pdm_decimate(&pdm, words, samples, 96);      // 96 * 4 words to 96 samples
 *
 * A CIC filter of order 5 keeps every 16th sum, or every 32nd; an FIR filter of 127 taps lifts what the CIC lowers, and
 * keeps every fourth of its samples; a first-order high pass of 10 Hz takes off the microphone's offset. For a sample of
 * 16 kHz, 64 bits each:
 *
 *     pass band             50 Hz to 7 kHz, within 0.2 dB
 *     folded into it        nothing above -61 dB
 *     delay                 PDM_DELAY_SAMPLES, 1.03 ms
 *
 * docs/audio.md has the figures, and the tests that hold them. */
#ifndef PDM_H
#define PDM_H

#include <stdbool.h>
#include <stdint.h>

#define PDM_WORD_BITS     16u
#define PDM_MOST_GAIN     5u
#define PDM_HISTORY       128u /* samples of the FIR's past; a power of two */
#define PDM_CIC_ORDER     5u
#define PDM_DELAY_SAMPLES 16u /* 63 / 4 of the FIR, 0.6 of the CIC, rounded */

typedef struct {
    uint32_t words_a_sum; /* words of bits to a sample of the CIC */
    uint32_t cic_bits;    /* binary digits of the CIC's full scale, which its bits 0 and 1 share out */
    uint32_t gain_bits;
    uint32_t integrator[PDM_CIC_ORDER];
    uint32_t comb[PDM_CIC_ORDER];
    uint32_t newest;                   /* the FIR's newest sample */
    int32_t history[2u * PDM_HISTORY]; /* twice the same, so that the FIR reads without a wrap */
    int32_t offset;                    /* of the microphone, times 2^8 */
} pdm_t;

/* Start anew.
 *
 * ratio      bits to a sample: 64 or 128
 * gain_bits  the output is 2^gain_bits times as loud, 0 to PDM_MOST_GAIN, and saturates
 * Returns false for any other number: then `pdm` is as it was. */
bool pdm_init(pdm_t *pdm, uint32_t ratio, uint32_t gain_bits);

/* Make the next samples.
 *
 * words    [samples * ratio / 16]: the bits, the first in the highest bit of a word, as an I2S or SPI receiver puts them
 * samples  [count] */
void pdm_decimate(pdm_t *pdm, const uint16_t *words, int16_t *samples, uint32_t count);

#endif
