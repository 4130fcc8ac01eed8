// SPDX-License-Identifier: Apache-2.0
/* From reset to main() on any Cortex-M, with firmware/boards/cortexm.ld; no vendor header. */
#include <stdint.h>
#include <string.h>

#include "sound_config.h"

extern uint32_t _estack[], _sidata[], _sdata[], _edata[], _sbss[], _ebss[];

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define SCB_VTOR          REGISTER(0xe000ed08u)
#define SCB_CPACR         REGISTER(0xe000ed88u)
#define CPACR_FLOAT       (0xfu << 20) /* full access to CP10 and CP11 */

int main(void);
void reset_handler(void);
void fault_handler(void);

/* The words left zero belong to what is never enabled. */
typedef void (*vector)(void);
#define VECTOR(interrupt, handler) [16 + (interrupt)] = handler,
__attribute__((section(".vectors"), used, aligned(512))) static const vector vectors[] = {[0] = (vector)_estack,
                                                                                          [1] = reset_handler,
                                                                                          [2] = fault_handler,
                                                                                          [3] = fault_handler,
                                                                                          SOUND_VECTORS(VECTOR)};

void reset_handler(void) {
#if !defined(__ARM_ARCH_6M__)
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#endif
#if defined(__ARM_FP)
    SCB_CPACR |= CPACR_FLOAT;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    memcpy(_sdata, _sidata, (uintptr_t)_edata - (uintptr_t)_sdata);
    memset(_sbss, 0, (uintptr_t)_ebss - (uintptr_t)_sbss);
    (void)main();
    fault_handler();
}

/* A debugger finds the core here. */
void fault_handler(void) {
    for (;;) {
    }
}
