// SPDX-License-Identifier: Apache-2.0
/* A loop of exactly known length, to learn how many ticks an instruction takes. */
#ifndef BLSH_COUNT_LOOP_H
#define BLSH_COUNT_LOOP_H

#include <stdint.h>

/* Returns the instructions of `iterations` (at least 1) rounds, two each; 0 where they are not known (host).
 * The call itself adds a fixed handful: compare two numbers of iterations. */
uint32_t blsh_count_loop(uint32_t iterations);

#endif
