// SPDX-License-Identifier: Apache-2.0
/* A part that stays on the oscillator that it starts with. */
#include "hal.h"
#include "hal_port.h"

void hal_clock_init(void) {}

uint32_t hal_clock_uart_hz(void) { return BOARD_UART_CLOCK_HZ; }

uint32_t hal_core_hz(void) { return BOARD_CORE_HZ; }

uint32_t hal_tick_hz(void) { return BOARD_TICK_HZ; }

const char *hal_clock_trouble(void) { return NULL; }
