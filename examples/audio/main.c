// SPDX-License-Identifier: Apache-2.0
/* Microphone, denoiser, loudspeaker: the program of all examples. What is the part's own stands behind sound.h. */
#include "audio_stream.h"
#include "blsh_model.h"
#include "sound.h"
#include "sound_config.h"

#if BLSH_MODEL_RATE_HZ != 16000
#error "the converters of the examples run at 16 kHz: train a model for 16 kHz, or change their clocks"
#endif

static blsh_state_t state; /* too large for most stacks */
static int16_t samples[BLSH_MODEL_HOP];

/* Neither is static: a debugger shows by these names what came to pass. */
audio_stream_t audio;
const char *volatile trouble; /* why nothing is heard; NULL: nothing is wrong */

static const char *start(void) {
    const audio_shape_t shape = {.block = SOUND_BLOCK, .hop = BLSH_MODEL_HOP, .work = SOUND_WORK};
    const int status = blsh_init(&state, &blsh_model);

    if (status < 0) {
        return blsh_error_text(status);
    }
    if (blsh_dictionary_crc32(&blsh_model) != blsh_model.dictionary_crc32) {
        return blsh_error_text(BLSH_ERR_DICTIONARY_CRC);
    }
    if (!audio_init(&audio, &shape)) {
        return "sound: block and hop do not fit; see AUDIO_INPUT_SAMPLES and AUDIO_OUTPUT_SAMPLES";
    }
    return sound_start(&audio);
}

int main(void) {
    sound_init();
    trouble = start();
    for (;;) {
        const audio_counts_t counts = audio_counts(&audio);

        if (trouble != NULL || counts.lost != 0u || counts.underruns != 0u) {
            sound_trouble();
        }
        if (trouble == NULL && audio_take_hop(&audio, samples)) {
            sound_working(true);
            blsh_hop(&state, samples, samples, NULL);
            sound_working(false);
            audio_give_hop(&audio, samples);
        } else {
            sound_wait();
        }
    }
}
