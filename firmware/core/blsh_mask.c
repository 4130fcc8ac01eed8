#include "blsh_fixed.h"
#include "blsh_stages.h"

static void load_words(const blsh_state_t *state, unsigned word, uint32_t words[BLSH_MAX_NEIGHBOURS]) {
    const blsh_model_t *model = state->model;
    const uint32_t *column = model->masks + word;
    const unsigned mask_words = blsh_mask_words(model);
    for (unsigned n = 0; n < model->neighbours; n++) {
        words[n] = column[state->neighbour[n].index * mask_words];
    }
}

static unsigned count_votes(const uint32_t words[BLSH_MAX_NEIGHBOURS], unsigned neighbours, unsigned shift,
                            uint32_t top) {
    unsigned votes = 0;
    for (unsigned n = 0; n < neighbours; n++) {
        votes += words[n] >> shift & top;
    }
    return votes;
}

/* The neighbours' mean in a band, smoothed over the hops. With a smoothing of 0 it is the mean. */
static int32_t smoothed(blsh_state_t *state, unsigned band, int32_t mean) {
    const int32_t kept = state->model->smoothing;
    const int32_t before = state->hops == 0u ? mean : state->smoothed_q14[band];
    const int32_t now = (kept * before + (16 - kept) * mean + 8) >> 4;
    state->smoothed_q14[band] = (int16_t)now;
    return now;
}

void blsh_average_masks(blsh_state_t *state) {
    const blsh_model_t *model = state->model;
    const bool ibm = model->mask_kind == BLSH_MASKS_IBM;
    const unsigned bands = ibm ? BLSH_BINS : BLSH_MASK_BANDS;
    const unsigned level_bits = ibm ? 1u : 4u;
    const uint32_t top = ibm ? 1u : 15u;
    const int32_t least = 64 * model->floor; /* Q14 */
    uint32_t words[BLSH_MAX_NEIGHBOURS];
    unsigned bin = 0;
    for (unsigned band = 0; band < bands; band++) {
        const unsigned bit = band * level_bits;
        if (bit % 32u == 0u) {
            load_words(state, bit / 32u, words);
        }
        const unsigned votes = count_votes(words, model->neighbours, bit % 32u, top);
        const int32_t gain = smoothed(state, band, model->gain_q14[votes]);
        const unsigned end = ibm ? band + 1u : (unsigned)model->band_edge[band + 1u];
        for (; bin < end; bin++) {
            state->bin.gain_q14[bin] = (int16_t)(gain < least ? least : gain);
        }
    }
}
