// SPDX-License-Identifier: Apache-2.0
/* nRF52: 64 MHz, always. The crystal (HFXO) gives the UART its exact rate; without it the internal oscillator, good to
 * a few per cent, goes on. Flash is cached: the core is faster than it. The debug port is kept open: from revision 3 on
 * it closes at each reset unless the firmware says so, and the board could be flashed once only. */
#include "dwt.h"
#include "hal.h"
#include "hal_port.h"

#define CLOCK_HFCLKSTART   HAL_REGISTER(0x40000000u)
#define CLOCK_HFCLKSTARTED HAL_REGISTER(0x40000100u)
#define APPROTECT_DISABLE  HAL_REGISTER(0x40000558u)
#define NVMC_ICACHECNF     HAL_REGISTER(0x4001e540u)
#define ICACHE_ENABLE      1u
#define DEBUG_OPEN         0x5au /* as far as UICR.APPROTECT allows it too */

static const char *trouble;

void hal_clock_init(void) {
    APPROTECT_DISABLE = DEBUG_OPEN;
    NVMC_ICACHECNF = ICACHE_ENABLE;
    dwt_start();
    CLOCK_HFCLKSTARTED = 0u;
    CLOCK_HFCLKSTART = 1u;
    for (uint32_t i = 0; i < HAL_CLOCK_READINGS; i++) {
        if (CLOCK_HFCLKSTARTED != 0u) {
            return;
        }
    }
    trouble = "clock: the crystal (HFXO) does not start";
}

uint32_t hal_clock_uart_hz(void) { return BOARD_UART_CLOCK_HZ; }

uint32_t hal_core_hz(void) { return BOARD_CORE_HZ; }

uint32_t hal_tick_hz(void) { return BOARD_CORE_HZ; }

const char *hal_clock_trouble(void) { return trouble; }
