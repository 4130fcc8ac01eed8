// SPDX-License-Identifier: Apache-2.0
/* Nordic nRF51, and nRF52, which has its UART still: UART0, WDT and, where the core's cycle counter does not serve,
 * TIMER0.
 * The internal oscillator serves until the crystal has started, which is not waited for: it is what keeps the rate of
 * the UART within bounds on a real part. Pins from 32 up are those of P1. */
#include "hal.h"
#include "hal_port.h"

#define CLOCK_HFCLKSTART HAL_REGISTER(0x40000000u)

#define UART_STARTRX  HAL_REGISTER(BOARD_UART_BASE + 0x000u)
#define UART_STARTTX  HAL_REGISTER(BOARD_UART_BASE + 0x008u)
#define UART_RXDRDY   HAL_REGISTER(BOARD_UART_BASE + 0x108u)
#define UART_TXDRDY   HAL_REGISTER(BOARD_UART_BASE + 0x11cu)
#define UART_INTENSET HAL_REGISTER(BOARD_UART_BASE + 0x304u)
#define UART_ERRORSRC HAL_REGISTER(BOARD_UART_BASE + 0x480u)
#define UART_ENABLE   HAL_REGISTER(BOARD_UART_BASE + 0x500u)
#define UART_PSELTXD  HAL_REGISTER(BOARD_UART_BASE + 0x50cu)
#define UART_PSELRXD  HAL_REGISTER(BOARD_UART_BASE + 0x514u)
#define UART_RXD      HAL_REGISTER(BOARD_UART_BASE + 0x518u)
#define UART_TXD      HAL_REGISTER(BOARD_UART_BASE + 0x51cu)
#define UART_BAUDRATE HAL_REGISTER(BOARD_UART_BASE + 0x524u)

#define INT_RXDRDY    (1u << 2)
#define ERROR_OVERRUN (1u << 0)
#define ENABLE_UART   4u

/* BOARD_TICK_COUNTER is CC[0] of a timer, the register into which its count is captured, or the core's. */
#ifndef BOARD_TICK_IS_DWT
#define TIMER_BASE     (BOARD_TICK_COUNTER - 0x540u)
#define TIMER_START    HAL_REGISTER(TIMER_BASE + 0x000u)
#define TIMER_CAPTURE0 HAL_REGISTER(TIMER_BASE + 0x040u)
#define TIMER_MODE     HAL_REGISTER(TIMER_BASE + 0x504u)
#define TIMER_BITMODE  HAL_REGISTER(TIMER_BASE + 0x508u)
#define TIMER_PRESCALE HAL_REGISTER(TIMER_BASE + 0x510u)

#define MODE_TIMER 0u
#define BITMODE_32 3u
#endif

#define GPIO_BASE(pin)   (0x50000000u + 0x300u * ((pin) / 32u))
#define GPIO_BIT(pin)    (1u << ((pin) % 32u))
#define GPIO_OUTSET(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x508u)
#define GPIO_OUTCLR(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x50cu)
#define GPIO_DIRSET(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x518u)
#define GPIO_CNF(pin)    HAL_REGISTER(GPIO_BASE(pin) + 0x700u + 4u * ((pin) % 32u))

/* Once started it cannot be stopped; it stands still while the core sleeps, which it does only where nothing is left to
 * work on. */
#define RESETREAS     HAL_REGISTER(0x40000400u)
#define RESETREAS_DOG (1u << 1)
#define WDT_START     HAL_REGISTER(0x40010000u)
#define WDT_CRV       HAL_REGISTER(0x40010504u)
#define WDT_RREN      HAL_REGISTER(0x40010508u)
#define WDT_CONFIG    HAL_REGISTER(0x4001050cu)
#define WDT_RR0       HAL_REGISTER(0x40010600u)
#define WDT_HZ        32768u
#define WDT_RELOAD    0x6e524635u

/* Rate x 2^32 / clock; the part keeps the upper 20 bits. */
#define BAUD_VALUE ((uint32_t)((((uint64_t)BOARD_UART_BAUD << 32) / BOARD_UART_CLOCK_HZ + 0x800u) & 0xfffff000u))

/* The peripheral drives the pins while it is enabled; these settings hold besides, as the manual asks. */
static void set_pins(void) {
    GPIO_OUTSET(BOARD_UART_TX_PIN) = GPIO_BIT(BOARD_UART_TX_PIN);
    GPIO_DIRSET(BOARD_UART_TX_PIN) = GPIO_BIT(BOARD_UART_TX_PIN);
    GPIO_CNF(BOARD_UART_RX_PIN) = 0u; /* an input, connected */
    UART_PSELTXD = BOARD_UART_TX_PIN;
    UART_PSELRXD = BOARD_UART_RX_PIN;
}

static void start_watchdog(void) {
    WDT_CONFIG = 0u; /* paused while the core sleeps, or a debugger holds it */
    WDT_CRV = (uint32_t)((uint64_t)WDT_HZ * HAL_WATCHDOG_MS / 1000u);
    WDT_RREN = 1u;
    WDT_START = 1u;
}

void hal_watchdog_watch(void) { WDT_RR0 = WDT_RELOAD; }

void hal_watchdog_rest(void) { WDT_RR0 = WDT_RELOAD; }

bool hal_port_reset_by_watchdog(void) {
    const uint32_t reasons = RESETREAS;

    RESETREAS = reasons; /* write ones to clear: they add up otherwise */
    return (reasons & RESETREAS_DOG) != 0u;
}

void hal_port_init(void) {
    start_watchdog();
    CLOCK_HFCLKSTART = 1u;
    set_pins();
    UART_BAUDRATE = BAUD_VALUE;
    UART_ENABLE = ENABLE_UART;
    UART_RXDRDY = 0u;
    UART_TXDRDY = 0u;
    UART_STARTRX = 1u;
    UART_STARTTX = 1u;
    UART_INTENSET = INT_RXDRDY;
#ifdef BOARD_LED_PIN
    hal_port_led(true);
    GPIO_DIRSET(BOARD_LED_PIN) = GPIO_BIT(BOARD_LED_PIN);
#endif
#ifndef BOARD_TICK_IS_DWT
    TIMER_MODE = MODE_TIMER;
    TIMER_BITMODE = BITMODE_32;
    TIMER_PRESCALE = 0u;
    TIMER_START = 1u; /* after the UART: QEMU looks for input again when a timer starts, not when reception does */
#endif
}

#ifdef BOARD_LED_PIN
void hal_port_led(bool lit) {
    if (lit == (BOARD_LED_ACTIVE_LOW == 0u)) {
        GPIO_OUTSET(BOARD_LED_PIN) = GPIO_BIT(BOARD_LED_PIN);
    } else {
        GPIO_OUTCLR(BOARD_LED_PIN) = GPIO_BIT(BOARD_LED_PIN);
    }
}
#endif

void hal_rx_irq(void) {
    if ((UART_ERRORSRC & ERROR_OVERRUN) != 0u) {
        UART_ERRORSRC = ERROR_OVERRUN; /* write one to clear */
        hal_ring_lost();
    }
    while (UART_RXDRDY != 0u) {
        if (hal_ring_full()) {
            hal_ring_stall();
            return;
        }
        UART_RXDRDY = 0u; /* before reading: that brings the next byte of the FIFO, and its event */
        hal_ring_put((uint8_t)UART_RXD);
    }
}

void hal_write(const uint8_t *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        UART_TXD = src[i];
        while (UART_TXDRDY == 0u) {
        }
        UART_TXDRDY = 0u;
    }
}

uint32_t hal_ticks(void) {
#ifndef BOARD_TICK_IS_DWT
    TIMER_CAPTURE0 = 1u;
#endif
    return HAL_REGISTER(BOARD_TICK_COUNTER);
}
