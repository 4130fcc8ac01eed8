// SPDX-License-Identifier: Apache-2.0
/* How large a model the state holds; blsh_init refuses a larger one. With BLSH_MODEL_LIMITS the state is just as large
 * as the generated model needs: blsh_limits.h is generated beside that model. An exported library has another
 * blsh_capacity.h, which always takes the limits of its models. */
#ifndef BLSH_CAPACITY_H
#define BLSH_CAPACITY_H

#include "blsh_constants.h"

#ifdef BLSH_MODEL_LIMITS
#include "blsh_limits.h"
#else
#define BLSH_MAX_BITS        320u
#define BLSH_MAX_PROJECTIONS 320u
#define BLSH_MAX_FEATURES    513u /* the bins of the largest frame */
#define BLSH_MAX_NEIGHBOURS  32u
#define BLSH_MAX_FOUND       256u /* neighbours of all dictionaries */
#define BLSH_MAX_SMOOTHED    513u /* bands of a mask with smoothing */
/* The kinds of models that blsh_init accepts; what only other kinds need is not compiled. */
#define BLSH_KINDS           (BLSH_KIND_MASKS | BLSH_KIND_SMALL_VOTES | BLSH_KIND_LARGE_VOTES)
/* The sizes of frames that it accepts, likewise, and how much of the past it has room for. */
#define BLSH_WINDOWS         (BLSH_WINDOW_256 | BLSH_WINDOW_512 | BLSH_WINDOW_1024)
#define BLSH_MAX_HISTORY     960u /* samples of a frame that earlier hops brought, N - H */
#define BLSH_MAX_OVERLAP     960u /* sums of output samples that are not finished, M - H */
#define BLSH_ONE_GEOMETRY    0    /* 1: no other window, history and overlap than the largest; all are constants then */
#endif

#endif
