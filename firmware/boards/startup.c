// SPDX-License-Identifier: Apache-2.0
/* From reset to main(), and from a fault to app_fault(). Any Cortex-M; no vendor header. */
#include <string.h>

#include "hal.h"
#include "hal_port.h"

extern uint32_t _sidata[], _sdata[], _edata[], _sbss[], _ebss[];

#define SCB_VTOR  HAL_REGISTER(0xe000ed08u)
#define SCB_CCR   HAL_REGISTER(0xe000ed14u)
#define SCB_CFSR  HAL_REGISTER(0xe000ed28u)
#define SCB_BFAR  HAL_REGISTER(0xe000ed38u)
#define SCB_CPACR HAL_REGISTER(0xe000ed88u)

#define CCR_TRAP_DIVISION_BY_ZERO (1u << 4)
#define CPACR_FLOAT               (0xfu << 20) /* full access to CP10 and CP11 */

int main(void);
void reset_handler(void);
void fault_handler(void);
void start(void) __attribute__((noreturn));
void report_fault(void) __attribute__((noreturn));

/* Of drivers that need it. */
void hal_systick_irq(void) __attribute__((weak, alias("fault_handler")));

/* The table ends with the UART's interrupt; SysTick's is the only other one that is ever enabled. The words left zero
 * are reserved, or belong to what is never enabled; taking one would be a fault, and so be reported. */
typedef void (*vector)(void);
__attribute__((section(".vectors"), used, aligned(512))) static const vector vectors[] = {
    [0] = (vector)_estack,  [1] = reset_handler,
    [2] = fault_handler, /* NMI: the watchdog's warning */
    [3] = fault_handler, /* HardFault: the others rise to it, because they are never enabled */
    [15] = hal_systick_irq, [16u + BOARD_UART_RX_IRQ] = hal_rx_irq,
};

/* In assembly because it paints the stack: nothing may stand there yet. */
__attribute__((naked)) void reset_handler(void) {
    __asm__ volatile(".syntax unified\n"
                     "    ldr   r0, =_estack\n"
                     "    mov   sp, r0\n"
                     "    ldr   r1, =_stack_limit\n"
                     "    ldr   r2, =%c0\n"
                     "1:  stmia r1!, {r2}\n"
                     "    cmp   r1, r0\n"
                     "    blo   1b\n"
                     "    bl    start\n"
                     "    .ltorg\n" ::"i"(STACK_PAINT));
}

void start(void) {
#if !defined(__ARM_ARCH_6M__)
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    SCB_CCR |= CCR_TRAP_DIVISION_BY_ZERO;
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= CPACR_FLOAT;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    memcpy(_sdata, _sidata, (uintptr_t)_edata - (uintptr_t)_sdata);
    memset(_sbss, 0, (uintptr_t)_ebss - (uintptr_t)_sbss);
    (void)main();
    hal_reset();
}

/* The registers at the fault, copied out of the stack so that the stack can be taken anew. */
static uint32_t fault_registers[8] __attribute__((used));

/* Gives up the stack, which may be what overflowed, after saving the eight words that the core pushed there;
 * they are left zero when the stack pointer does not lie in RAM. */
__attribute__((naked)) void fault_handler(void) {
    __asm__ volatile(".syntax unified\n"
                     "    mov   r0, sp\n"
                     "    ldr   r1, =_sram\n"
                     "    cmp   r0, r1\n"
                     "    blo   1f\n"
                     "    ldr   r1, =_estack - 32\n"
                     "    cmp   r0, r1\n"
                     "    bhi   1f\n"
                     "    ldr   r1, =fault_registers\n"
                     "    ldmia r0!, {r2-r5}\n"
                     "    stmia r1!, {r2-r5}\n"
                     "    ldmia r0!, {r2-r5}\n"
                     "    stmia r1!, {r2-r5}\n"
                     "1:  ldr   r0, =_estack\n"
                     "    mov   sp, r0\n"
                     "    bl    report_fault\n"
                     "    .ltorg\n");
}

void report_fault(void) {
    bool watchdog = hal_exception() == EXCEPTION_NMI;

    hal_leave_note(); /* now: the report may hang as well */
#if defined(__ARM_ARCH_6M__)
    app_fault(fault_registers, 0u, 0u, watchdog);
#else
    app_fault(fault_registers, SCB_CFSR, SCB_BFAR, watchdog);
#endif
    for (;;) {
    }
}

__attribute__((weak)) void app_fault(const uint32_t stacked[8], uint32_t cfsr, uint32_t bfar, bool watchdog) {
    (void)stacked;
    (void)cfsr;
    (void)bfar;
    (void)watchdog;
}
