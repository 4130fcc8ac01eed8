// SPDX-License-Identifier: Apache-2.0
#include "count_loop.h"

#if defined(__arm__)

/* Aligned, so that the loop's fetches do not depend on where the linker put it. */
__attribute__((naked, noinline, aligned(16))) static void count_down(uint32_t iterations __attribute__((unused))) {
    __asm__ volatile(".syntax unified\n"
                     "1:  subs r0, #1\n"
                     "    bne  1b\n"
                     "    bx   lr\n");
}

uint32_t blsh_count_loop(uint32_t iterations) {
    count_down(iterations);
    return 2u * iterations;
}

#else

uint32_t blsh_count_loop(uint32_t iterations) {
    for (uint32_t left = iterations; left > 0u; left--) {
        __asm__ volatile("" : "+r"(left)); /* keep the loop */
    }
    return 0;
}

#endif
