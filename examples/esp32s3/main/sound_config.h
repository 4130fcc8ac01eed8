// SPDX-License-Identifier: Apache-2.0
#ifndef SOUND_CONFIG_H
#define SOUND_CONFIG_H

#define SOUND_BLOCK     64u                   /* 4 ms */
#define SOUND_WORK      (BLSH_MODEL_HOP / 2u) /* a hop takes less than half of the time */
#define SOUND_GAIN_BITS 2u                    /* 12 dB louder than the microphone's upper 16 bits */

#endif
