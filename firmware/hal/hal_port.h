// SPDX-License-Identifier: Apache-2.0
/* Between the parts of the HAL: hal_cortexm.c and the start-up code, the same for every Cortex-M, and
 * hal_<driver>.c, one for each family of peripherals. The application includes hal.h alone. */
#ifndef BLSH_HAL_PORT_H
#define BLSH_HAL_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "board.h"

#ifndef HAL_REGISTER /* a test on the host puts a model of the part in its place */
#define HAL_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#endif

/* Longest time that a request may take: COUNT_LOOP at its longest takes seconds on the slowest core. */
#ifndef HAL_WATCHDOG_MS
#define HAL_WATCHDOG_MS 10000u
#endif

/* --- The driver provides these, and hal_write(), hal_ticks() and hal_watchdog_...() of hal.h --------------- */

/* Starts the UART and the counter, with the receive interrupt raised by the UART (not yet let through by the
 * core). */
void hal_port_init(void);

/* The receive interrupt, BOARD_UART_RX_IRQ: moves the received bytes into the ring. When the ring is full it leaves the
 * byte in the UART and says so by hal_ring_stall(). */
void hal_rx_irq(void);

/* The SysTick exception, of a driver that enables it. */
void hal_systick_irq(void);

/* Whether the watchdog reset the part, by the part's own record; clears the record. */
bool hal_port_reset_by_watchdog(void);

/* --- Exceptions ------------------------------------------------------------------------------------------- */

#define EXCEPTION_NMI   2u /* one thing on each part: the watchdog's warning, or a crystal that fails */
#define EXCEPTION_FAULT 3u

static inline uint32_t hal_exception(void) {
    uint32_t number;

    __asm__ volatile("mrs %0, ipsr" : "=r"(number));
    return number;
}

/* Leaves in RAM, for the next start, what the exception that is being handled says of its cause. */
void hal_leave_note(void);
#ifdef BOARD_LED_PIN
/* Lights the board's LED, or puts it out. */
void hal_port_led(bool lit);
#endif

/* --- The clock: clock_<driver>.c, or clock_fixed.c where the part's own oscillator serves, provides these, and
 * --- hal_core_hz(), hal_tick_hz() and hal_clock_trouble() of hal.h ---------------------------------------- */

/* How often a ready bit is read before its oscillator is given up: some 30 ms at the 16 MHz that a part starts with.
 * Crystals take 2 ms, a PLL less. */
#define HAL_CLOCK_READINGS 100000u

/* Brings the core to BOARD_CORE_HZ. Where an oscillator does not start, it says so (hal_clock_trouble) and the core
 * goes on with the clock that it has. */
void hal_clock_init(void);

/* The clock that the UART divides. */
uint32_t hal_clock_uart_hz(void);

/* --- The stack, from the linker script and the start-up code ---------------------------------------------- */

#define STACK_PAINT       0xa5a5a5a5u /* every word from _stack_limit up to _estack, at reset */
#define STACK_GUARD_WORDS 4u          /* painted words at the end of the stack, below any function's frame */
extern uint32_t _stack_limit[];
extern uint32_t _estack[];

/* --- The receive ring, for hal_rx_irq() alone ------------------------------------------------------------- */

bool hal_ring_full(void);
void hal_ring_put(uint8_t byte); /* only when it is not full */
void hal_ring_stall(void);       /* disables the interrupt until the main loop has made room, then pends it */
void hal_ring_lost(void);        /* the UART reports that a byte was overwritten */

#endif
