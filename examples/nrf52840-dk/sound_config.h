// SPDX-License-Identifier: Apache-2.0
#ifndef SOUND_CONFIG_H
#define SOUND_CONFIG_H

#define SOUND_BLOCK 64u            /* 4 ms */
#define SOUND_WORK  BLSH_MODEL_HOP /* 64 MHz: a hop may take most of its time */
#define SOUND_GAIN  0x50u          /* +20 dB, the most; 0x28 is 0 dB, steps are 0.5 dB (6.15.10, GAINL) */

void pdm_irq(void);
void i2s_irq(void);

/* Number of an interrupt and its handler. */
#define SOUND_VECTORS(X) X(29, pdm_irq) X(37, i2s_irq)

#endif
