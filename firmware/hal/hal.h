// SPDX-License-Identifier: Apache-2.0
/* The hardware, as the application sees it: one serial port, one counter, and what the part can say of itself.
 *
 * This is the whole seam. To bring blsh-mcu to another part: add it to boards.toml and write
 * firmware/hal/hal_<driver>.c against hal_port.h; nothing else in the firmware knows a register.
 *
 * One caller at a time: everything here is for the main loop, except hal_write, hal_reset and the queries,
 * which app_fault may use too (they need no interrupt).
 */
#ifndef BLSH_HAL_H
#define BLSH_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts the serial port, its receive interrupt and the counter. Call once, first. */
void hal_init(void);

/* --- Serial port ---------------------------------------------------------------------------------------- */

/* Received bytes that can wait for hal_read while the program is busy. */
uint32_t hal_receive_ring_bytes(void);

/* Takes up to `max` received bytes and returns how many. Never blocks: 0 when none have come. */
size_t hal_read(uint8_t *dst, size_t max);

/* Sends `n` bytes; returns when the UART has taken the last of them. */
void hal_write(const uint8_t *src, size_t n);

/* Sleeps until something was received; returns at once when there is something to read. */
void hal_idle(void);

/* Bytes lost in reception since reset: the part was too slow and the line has no flow control. A virtual
 * board holds the sender back instead, so there this stays 0. */
uint32_t hal_overruns(void);

/* --- Time ----------------------------------------------------------------------------------------------- */

/* A free-running counter that counts up and wraps at 2^32: subtract two readings as uint32_t. */
uint32_t hal_ticks(void);

/* The rate of the counter in Hz. */
uint32_t hal_tick_hz(void);

/* --- The part ------------------------------------------------------------------------------------------- */

uint32_t hal_core_hz(void);       /* the core's clock, as it runs */
const char *hal_core_name(void);  /* "cortex-m4" */
const char *hal_board_name(void); /* its name in boards.toml */

/* A line about the part that did not start, so that the core misses the clock of boards.toml. NULL: all did. */
const char *hal_clock_trouble(void);

/* Masks interrupts, and puts the mask back as it was: keep the returned value and hand it in. For measuring. */
uint32_t hal_irq_disable(void);
void hal_irq_restore(uint32_t saved);

/* Why the part last started. Best effort: a note left in RAM and what the part records of its watchdog, so that
 * whatever is not one of our own resets reads as power-on (or reset pin). */
enum {
    HAL_RESET_POWER_ON = 0,
    HAL_RESET_SOFTWARE = 1, /* hal_reset() */
    HAL_RESET_FAULT = 2,    /* hal_reset() called from app_fault() */
    HAL_RESET_WATCHDOG = 3,
    HAL_RESET_CLOCK = 4 /* the crystal failed */
};
uint32_t hal_reset_cause(void);

/* Starts the firmware again from its first instruction. */
void hal_reset(void) __attribute__((noreturn));

/* The most bytes of stack in use since reset. Equal to the whole of stack_bytes in boards.toml: it overflowed. */
uint32_t hal_stack_bytes_used(void);

/* The guard words at the end of the stack were overwritten since reset. */
bool hal_stack_overflowed(void);

/* --- Watchdog ------------------------------------------------------------------------------------------- */

/* Between the two a request is being worked on. When that takes longer than HAL_WATCHDOG_MS the part starts again, by
 * app_fault() where the watchdog warns before it resets. A part that waits for its host is left in peace. */
void hal_watchdog_watch(void);
void hal_watchdog_rest(void);

/* --- Faults --------------------------------------------------------------------------------------------- */

/* Called on a fault (bad address, bad instruction, division by zero...), or where `watchdog` when the watchdog warns,
 * with a fresh stack; must not return.
 * stacked: r0 r1 r2 r3 r12 lr pc xpsr at the fault (all zero if the stack pointer itself was lost);
 * cfsr: the core's Configurable Fault Status Register; bfar: the address of the access that failed (BFAR, valid
 * when cfsr has bit 15 set). Both are 0 on a core that has neither (M0).
 * The application defines this; without it the part stops here. */
void app_fault(const uint32_t stacked[8], uint32_t cfsr, uint32_t bfar, bool watchdog);

#endif
