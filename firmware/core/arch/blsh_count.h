// SPDX-License-Identifier: Apache-2.0
/* The innermost loop of the search: counts, in each counter of one row, or of four with Helium, the number of zeros
 * that the row begins with and twice the bits of chosen planes. Eight planes are added at a time, by full adders.
 *
 *   blsh_count_early(sum, levels, at, plane, steps, carries)
 *       Counts the rows `at` into `sum`, bit-sliced, `levels` + 1 bits. The first `levels` planes of a row are its
 *       number of zeros; plane[i] says how many bytes behind the row's beginning the i-th of the 8 * `steps` counted
 *       planes lies. `levels` is a constant where this is called. Only the lowest BLSH_EARLY_BITS of `sum` need be
 *       written; `carries` is room for BLSH_STEPS_AT_ONCE lanes that keep what the others are made of.
 *   blsh_count_late(sum, levels, at, carries)
 *       Writes the other bits. A search looks at the lowest bits first, while the registers are free for them. */
#ifndef BLSH_COUNT_H
#define BLSH_COUNT_H

#include "../blsh_constants.h"
#include "blsh_lanes.h"
#include "blsh_pairs.h"

#define BLSH_STEP_PLANES   8u /* planes that are added in a step */
#define BLSH_EARLY_BITS    4u /* bits of the sum that are there first: a step adds to the lowest four */
#define BLSH_STEPS_AT_ONCE 4u /* steps whose carries are added together, with Helium */

#if defined(BLSH_ASM_MVE)
#include "blsh_count_mve.h"
#else
#include "blsh_count_portable.h"
#endif

#endif
