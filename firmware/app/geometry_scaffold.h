// SPDX-License-Identifier: Apache-2.0
/* The geometry of a model, until the core's models name theirs. */
#ifndef BLSH_GEOMETRY_SCAFFOLD_H
#define BLSH_GEOMETRY_SCAFFOLD_H

#include "blsh.h"
#include "blsh_constants.h"

#define BLSH_MAX_HOP     BLSH_HOP
#define BLSH_MAX_HISTORY BLSH_HISTORY
#define BLSH_WINDOWS     4u

typedef struct {
    uint16_t rate_hz, window, hop, synthesis;
} blsh_geometry_t;

static inline blsh_geometry_t geometry_of(const blsh_model_t *model) {
    (void)model;
    return (blsh_geometry_t){BLSH_SAMPLE_RATE_HZ, BLSH_WINDOW, BLSH_HOP, BLSH_WINDOW};
}

static inline uint32_t delay_of(const blsh_model_t *model) {
    (void)model;
    return blsh_delay_samples();
}

#endif
