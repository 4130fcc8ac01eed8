// SPDX-License-Identifier: Apache-2.0
/* How large a model the state holds; blsh_init refuses a larger one. With BLSH_MODEL_LIMITS the state is just as large
 * as the generated model needs: blsh_limits.h is generated beside that model. An exported library has another
 * blsh_capacity.h, which always takes its model's limits. */
#ifndef BLSH_CAPACITY_H
#define BLSH_CAPACITY_H

#include "blsh_constants.h"

#ifdef BLSH_MODEL_LIMITS
#include "blsh_limits.h"
#else
#define BLSH_MAX_BITS        320u
#define BLSH_MAX_PROJECTIONS 320u
#define BLSH_MAX_FEATURES    BLSH_BINS
#define BLSH_MAX_NEIGHBOURS  32u
#define BLSH_MAX_FOUND       256u      /* neighbours of all dictionaries */
#define BLSH_MAX_SMOOTHED    BLSH_BINS /* bands of a mask with smoothing */
/* The kinds of models that blsh_init accepts; what only other kinds need is not compiled. */
#define BLSH_KINDS           (BLSH_KIND_MASKS | BLSH_KIND_SMALL_VOTES | BLSH_KIND_LARGE_VOTES)
#endif

#endif
