// SPDX-License-Identifier: Apache-2.0
/* STM32F4: from a crystal (HSE) by the PLL to BOARD_CORE_HZ. Every wait for a ready bit is bounded; where one stays 0
 * the part goes on with its internal oscillator (HSI, 16 MHz), and says what did not start. */
#include "dwt.h"
#include "hal.h"
#include "hal_port.h"

#define RCC_CR        0x40023800u
#define RCC_PLLCFGR   0x40023804u
#define RCC_CFGR      0x40023808u
#define RCC_APB1ENR   0x40023840u
#define PWR_CR        0x40007000u
#define PWR_CSR       0x40007004u
#define FLASH_ACR     0x40023c00u
#define DBGMCU_IDCODE HAL_REGISTER(0xe0042000u)

#define CR_HSEON     (1u << 16)
#define CR_HSERDY    (1u << 17)
#define CR_HSEBYP    (1u << 18)
#define CR_CSSON     (1u << 19)
#define CR_PLLON     (1u << 24)
#define CR_PLLRDY    (1u << 25)
#define PLLCFGR_HSE  (1u << 22)
#define PLLCFGR_Q    (15u << 24) /* the clock of USB, which is unused: as slow as it goes */
#define CFGR_SW      3u
#define CFGR_SW_PLL  2u
#define CFGR_SWS     (3u << 2)
#define CFGR_SWS_PLL (2u << 2)
#define ENABLE_PWR   (1u << 28)
#define PWR_VOS      (3u << 14)
#define PWR_ODEN     (1u << 16)
#define PWR_ODSWEN   (1u << 17)
#define CSR_VOSRDY   (1u << 14)
#define CSR_ODRDY    (1u << 16)
#define CSR_ODSWRDY  (1u << 17)
#define ACR_LATENCY  15u
#define ACR_PREFETCH (1u << 8)
#define ACR_ICACHE   (1u << 9)
#define ACR_DCACHE   (1u << 10)

/* 0 for no division, else 4 for 2, 5 for 4, 6 for 8, 7 for 16. */
#define APB_CODE(divider)                                                                                              \
    ((divider) == 1u ? 0u : (divider) == 2u ? 4u : (divider) == 4u ? 5u : (divider) == 8u ? 6u : 7u)

#define HSI_HZ 16000000u
_Static_assert(BOARD_CRYSTAL_HZ / BOARD_PLL_M * BOARD_PLL_N / BOARD_PLL_P == BOARD_CORE_HZ, "the PLL's factors");

static const char *trouble = "clock: not set up yet";

/* Revision A of the STM32F405 (which may call itself 411) reads wrong instructions with prefetching on. */
static uint32_t accelerator(void) {
    const uint32_t part = DBGMCU_IDCODE & 0xffff0fffu;
    const bool revision_a = part == 0x10000413u || part == 0x10000411u;

    return ACR_ICACHE | ACR_DCACHE | (revision_a ? 0u : ACR_PREFETCH);
}

static bool becomes(uint32_t address, uint32_t mask, uint32_t wanted) {
    for (uint32_t i = 0; i < HAL_CLOCK_READINGS; i++) {
        if ((HAL_REGISTER(address) & mask) == wanted) {
            return true;
        }
    }
    return false;
}

/* As after a reset; a loader may have left the PLL on. */
static void run_on_hsi(void) {
    HAL_REGISTER(RCC_CFGR) = 0u;
    (void)becomes(RCC_CFGR, CFGR_SWS, 0u);
    HAL_REGISTER(RCC_CR) &= ~(CR_CSSON | CR_PLLON | CR_HSEON | CR_HSEBYP);
    (void)becomes(RCC_CR, CR_PLLRDY, 0u); /* the factors can be changed once it has stopped */
    HAL_REGISTER(PWR_CR) &= ~(PWR_ODEN | PWR_ODSWEN);
    HAL_REGISTER(FLASH_ACR) = accelerator();
}

/* Above the regulator's plain range: with the PLL on, before the core runs from it. */
static bool overdriven(void) {
#if BOARD_OVERDRIVE
    HAL_REGISTER(PWR_CR) |= PWR_ODEN;
    if (!becomes(PWR_CSR, CSR_ODRDY, CSR_ODRDY)) {
        return false;
    }
    HAL_REGISTER(PWR_CR) |= PWR_ODSWEN;
    return becomes(PWR_CSR, CSR_ODSWRDY, CSR_ODSWRDY);
#else
    return true;
#endif
}

/* Returns a line about the part that did not start, or NULL. */
static const char *run_on_pll(void) {
    HAL_REGISTER(PWR_CR) = (HAL_REGISTER(PWR_CR) & ~PWR_VOS) | BOARD_VOLTAGE_SCALE << 14;
    if (BOARD_CRYSTAL_BYPASS) {
        HAL_REGISTER(RCC_CR) |= CR_HSEBYP;
    }
    HAL_REGISTER(RCC_CR) |= CR_HSEON;
    if (!becomes(RCC_CR, CR_HSERDY, CR_HSERDY)) {
        return "clock: the crystal (HSE) does not start";
    }
    HAL_REGISTER(RCC_PLLCFGR) =
        PLLCFGR_Q | PLLCFGR_HSE | (BOARD_PLL_P / 2u - 1u) << 16 | BOARD_PLL_N << 6 | BOARD_PLL_M;
    HAL_REGISTER(RCC_CR) |= CR_PLLON;
    if (!becomes(RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
        return "clock: the PLL does not lock";
    }
    if (!overdriven() || !becomes(PWR_CSR, CSR_VOSRDY, CSR_VOSRDY)) {
        return "clock: the regulator is not ready";
    }
    HAL_REGISTER(FLASH_ACR) = accelerator() | BOARD_FLASH_WAIT_STATES;
    if (!becomes(FLASH_ACR, ACR_LATENCY, BOARD_FLASH_WAIT_STATES)) {
        return "clock: the flash does not take its wait states";
    }
    HAL_REGISTER(RCC_CFGR) = APB_CODE(BOARD_APB2_DIVIDER) << 13 | APB_CODE(BOARD_APB1_DIVIDER) << 10 | CFGR_SW_PLL;
    if (!becomes(RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL)) {
        return "clock: the core does not switch to the PLL";
    }
    HAL_REGISTER(RCC_CR) |= CR_CSSON; /* a crystal that fails later is an NMI, not a standstill */
    return NULL;
}

void hal_clock_init(void) {
    HAL_REGISTER(RCC_APB1ENR) |= ENABLE_PWR;
    (void)HAL_REGISTER(RCC_APB1ENR); /* a peripheral may be touched two cycles after its clock is on */
    run_on_hsi();
    trouble = run_on_pll();
    if (trouble != NULL) {
        run_on_hsi();
    }
    dwt_start();
}

uint32_t hal_clock_uart_hz(void) { return trouble == NULL ? BOARD_UART_CLOCK_HZ : HSI_HZ; }

uint32_t hal_core_hz(void) { return trouble == NULL ? BOARD_CORE_HZ : HSI_HZ; }

uint32_t hal_tick_hz(void) { return hal_core_hz(); }

const char *hal_clock_trouble(void) { return trouble; }
