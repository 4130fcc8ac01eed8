// SPDX-License-Identifier: Apache-2.0
#ifndef SOUND_CONFIG_H
#define SOUND_CONFIG_H

#define SOUND_BLOCK 64u                   /* 4 ms */
#define SOUND_WORK  (BLSH_MODEL_HOP / 2u) /* a hop takes less than half of the time: README.md, "Time" */
#define SOUND_RATIO 64u                   /* bits of the microphone to a sample */
#define SOUND_GAIN  4u                    /* 24 dB: speech a hand away is at -50 dB of the microphone's full scale */

void dma1_stream3_irq(void);
void dma1_stream5_irq(void);

/* Number of an interrupt and its handler; SysTick's is one below the first. */
#define SOUND_VECTORS(X) X(14, dma1_stream3_irq) X(16, dma1_stream5_irq) SOUND_TIMER(X)

#ifdef STAND_IN_H
void systick_irq(void);
#define SOUND_TIMER(X) X(-1, systick_irq)
#else
#define SOUND_TIMER(X)
#endif

#endif
