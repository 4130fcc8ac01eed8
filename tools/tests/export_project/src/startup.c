// SPDX-License-Identifier: Apache-2.0
/* Enough for an emulated Cortex-M to come up: newlib's semihosting start does the rest. */
#if defined(__arm__)
#include <stdint.h>

extern void _start(void);

extern const uintptr_t vectors[2];
__attribute__((section(".vectors"), used)) const uintptr_t vectors[2] = {0x20400000u, (uintptr_t)_start};
#else
extern int a_host_needs_none;
#endif
