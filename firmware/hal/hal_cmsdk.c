// SPDX-License-Identifier: Apache-2.0
/* Arm CMSDK UART and watchdog, and a memory-mapped counter: the MPS2 and MPS3 images, as built by Arm and by QEMU. */
#include "hal.h"
#include "hal_port.h"

#define UART_DATA     HAL_REGISTER(BOARD_UART_BASE + 0x00u)
#define UART_STATE    HAL_REGISTER(BOARD_UART_BASE + 0x04u)
#define UART_CTRL     HAL_REGISTER(BOARD_UART_BASE + 0x08u)
#define UART_INTCLEAR HAL_REGISTER(BOARD_UART_BASE + 0x0cu)
#define UART_BAUDDIV  HAL_REGISTER(BOARD_UART_BASE + 0x10u)

#define STATE_TX_FULL    (1u << 0)
#define STATE_RX_FULL    (1u << 1)
#define STATE_RX_OVERRUN (1u << 3)
#define CTRL_TX          (1u << 0)
#define CTRL_RX          (1u << 1)
#define CTRL_RX_IRQ      (1u << 3)
#define INT_RX           (1u << 1)

#define BAUD_DIVIDER (BOARD_UART_CLOCK_HZ / BOARD_UART_BAUD)
_Static_assert(BAUD_DIVIDER >= 16u, "the UART stops below a divider of 16: lower the baud rate in boards.toml");

/* At its zero it warns by the NMI, whose handler reports and resets. The reset of its own at a second zero is not used:
 * QEMU counts while it is disabled, notes the second zero for ever, and would reset as soon as that is let through. */
#define WATCHDOG_LOAD    HAL_REGISTER(BOARD_WATCHDOG_BASE + 0x000u)
#define WATCHDOG_CONTROL HAL_REGISTER(BOARD_WATCHDOG_BASE + 0x008u)
#define WATCHDOG_CLEAR   HAL_REGISTER(BOARD_WATCHDOG_BASE + 0x00cu)
#define WATCHDOG_LOCK    HAL_REGISTER(BOARD_WATCHDOG_BASE + 0xc00u)

#define WATCHDOG_KEY   0x1acce551u
#define WATCHDOG_WARNS (1u << 0)

static void set_watchdog(uint32_t control) {
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_LOAD = (uint32_t)((uint64_t)BOARD_WATCHDOG_HZ * HAL_WATCHDOG_MS / 1000u);
    WATCHDOG_CLEAR = 1u; /* of a zero reached while it was disabled */
    WATCHDOG_CONTROL = control;
    WATCHDOG_LOCK = 0u; /* a program that has gone astray does not reach it */
}

void hal_watchdog_watch(void) { set_watchdog(WATCHDOG_WARNS); }

void hal_watchdog_rest(void) { set_watchdog(0u); }

bool hal_port_reset_by_watchdog(void) { return false; /* the note that its warning leaves says so */ }

void hal_port_init(void) {
    hal_watchdog_rest();
    UART_BAUDDIV = BAUD_DIVIDER;
    UART_CTRL = CTRL_TX | CTRL_RX | CTRL_RX_IRQ;
    (void)UART_DATA; /* QEMU looks for input again only when DATA is read, not when reception is enabled */
}

void hal_rx_irq(void) {
    UART_INTCLEAR = INT_RX;
    for (;;) {
        uint32_t state = UART_STATE;

        if ((state & STATE_RX_OVERRUN) != 0u) {
            UART_STATE = STATE_RX_OVERRUN; /* write one to clear */
            hal_ring_lost();
        }
        if ((state & STATE_RX_FULL) == 0u) {
            return;
        }
        if (hal_ring_full()) {
            hal_ring_stall();
            return;
        }
        hal_ring_put((uint8_t)UART_DATA);
    }
}

void hal_write(const uint8_t *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        while ((UART_STATE & STATE_TX_FULL) != 0u) {
        }
        UART_DATA = src[i];
    }
}

uint32_t hal_ticks(void) { return HAL_REGISTER(BOARD_TICK_COUNTER); }
