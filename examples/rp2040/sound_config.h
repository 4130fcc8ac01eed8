// SPDX-License-Identifier: Apache-2.0
#ifndef SOUND_CONFIG_H
#define SOUND_CONFIG_H

#include "rp2.h"

#define SOUND_BLOCK     64u                   /* 4 ms; a power of two */
#define SOUND_WORK      (BLSH_MODEL_HOP / 2u) /* a hop takes less than half of the time: README.md, "Time" */
#define SOUND_GAIN_BITS 2u                    /* 12 dB louder than the microphone's upper 16 bits */

void input_irq(void);
void output_irq(void);

/* Number of an interrupt and its handler. */
#define SOUND_VECTORS(X) X(INPUT_IRQ, input_irq) X(OUTPUT_IRQ, output_irq)

#endif
