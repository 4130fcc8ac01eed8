// SPDX-License-Identifier: Apache-2.0
/* CMSIS-DSP's real transforms of 1024 points, to be counted from outside. Its sources are not part of this repository:
 * see tools/blsh_tools/bench/cmsis.py. Writes "ok" by semihosting and leaves. */
#include <stdint.h>

#include "arm_math.h"

#define SYS_WRITE0      4
#define SYS_EXIT        0x18
#define STOPPED_BY_EXIT ((const void *)0x20026)
#define POINTS          1024

int main(void);

static q31_t in31[POINTS], out31[2 * POINTS + 2], back31[POINTS];
static q15_t in15[POINTS], out15[2 * POINTS + 2], back15[POINTS];
static arm_rfft_instance_q31 forward31, inverse31;
static arm_rfft_instance_q15 forward15, inverse15;

__attribute__((noinline)) static void q31_forward(void) { arm_rfft_q31(&forward31, in31, out31); }
__attribute__((noinline)) static void q31_inverse(void) { arm_rfft_q31(&inverse31, out31, back31); }
__attribute__((noinline)) static void q15_forward(void) { arm_rfft_q15(&forward15, in15, out15); }
__attribute__((noinline)) static void q15_inverse(void) { arm_rfft_q15(&inverse15, out15, back15); }

static void semihost(int call, const void *argument) {
    register int number __asm__("r0") = call;
    register const void *what __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(number) : "r"(what) : "memory");
}

int main(void) {
    uint32_t draw = 1;
    for (int n = 0; n < POINTS; n++) {
        draw = draw * 1664525u + 1013904223u;
        in31[n] = (q31_t)draw >> 3;
        in15[n] = (q15_t)((int32_t)draw >> 17);
    }
    arm_rfft_init_1024_q31(&forward31, 0, 1);
    arm_rfft_init_1024_q31(&inverse31, 1, 1);
    arm_rfft_init_1024_q15(&forward15, 0, 1);
    arm_rfft_init_1024_q15(&inverse15, 1, 1);
    q31_forward();
    q31_inverse();
    q15_forward();
    q15_inverse();
    semihost(SYS_WRITE0, "ok\n");
    semihost(SYS_EXIT, STOPPED_BY_EXIT);
    for (;;) {
    }
}
