// SPDX-License-Identifier: Apache-2.0
/* The seam between main.c, which is the same on every part, and a part: what the folder of each example provides. Its
 * sound_config.h says SOUND_BLOCK, the samples of half a DMA buffer; SOUND_WORK, the time that a hop may take, in
 * samples; and SOUND_VECTORS, the interrupts that startup.c puts into the table of vectors. */
#ifndef SOUND_H
#define SOUND_H

#include <stdbool.h>

#include "audio_stream.h"

/* Bring up clock and pins, so that sound_working and sound_failed can show something. */
void sound_init(void);

/* Start microphone and loudspeaker, the input first. From then on interrupts call audio_captured and audio_play.
 *
 * Returns NULL, or a line about the part that does not start. */
const char *sound_start(audio_stream_t *audio);

/* Return when an interrupt has come since the last call. */
void sound_wait(void);

/* Show that a hop is being worked on: a pin goes up and down, and an oscilloscope there sees how long a hop takes. */
void sound_working(bool working);

/* Show that sound was lost, or that nothing works. */
void sound_trouble(void);

#endif
