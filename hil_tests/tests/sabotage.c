// SPDX-License-Identifier: Apache-2.0
/* Linked with --wrap=blsh_hop: hops whose first sample is a constant below do harm instead. For the tests of a board's
 * defence. */
#include <string.h>

#include "blsh.h"
#include "hal_port.h"

enum { OVERFLOW_STACK = 0x7101, FAULT = 0x7102, HANG = 0x7103, NMI = 0x7104 };

#define SCB_ICSR      HAL_REGISTER(0xe000ed04u)
#define ICSR_PEND_NMI (1u << 31)

#define BEYOND 32u /* bytes */

void __real_blsh_hop(blsh_state_t *state, const int16_t *input, int16_t *output, const blsh_probe_t *probe);
void __wrap_blsh_hop(blsh_state_t *state, const int16_t *input, int16_t *output, const blsh_probe_t *probe);
void hang(void);

static void __attribute__((noinline)) overflow_stack(void) {
    uint32_t here;
    uintptr_t room = (uintptr_t)&here - (uintptr_t)_stack_limit + BEYOND;
    volatile uint8_t *bytes = __builtin_alloca(room);

    for (uintptr_t i = 0; i < room; i++) {
        bytes[i] = 0x11u;
    }
}

void __attribute__((noinline)) hang(void) {
    for (;;) {
        __asm__ volatile("nop");
    }
}

void __wrap_blsh_hop(blsh_state_t *state, const int16_t *input, int16_t *output, const blsh_probe_t *probe) {
    switch (input[0]) {
    case OVERFLOW_STACK:
        overflow_stack();
        break;
    case FAULT:
        __asm__ volatile("udf #0");
        break;
    case HANG:
        hang();
        break;
    case NMI:
        SCB_ICSR = ICSR_PEND_NMI;
        break;
    default:
        break;
    }
    __real_blsh_hop(state, input, output, probe);
}
