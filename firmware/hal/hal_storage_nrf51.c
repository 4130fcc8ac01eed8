// SPDX-License-Identifier: Apache-2.0
/* Nordic nRF51 and nRF52: the NVMC. The core stands still while it works: 21 ms for a page, 46 us for a word. A word
 * may be programmed twice before its page is erased; models.c programs each once, and again only what a cut left. */
#include "hal_port.h"
#include "hal_storage.h"

#define NVMC_READY     HAL_REGISTER(0x4001e400u)
#define NVMC_CONFIG    HAL_REGISTER(0x4001e504u)
#define NVMC_ERASEPAGE HAL_REGISTER(0x4001e508u)

#define CONFIG_READ  0u
#define CONFIG_WRITE 1u
#define CONFIG_ERASE 2u

/* Looks at READY, which cannot stay 0 while the core runs: bounded all the same. */
static void settle(void) {
    for (uint32_t looks = 0; looks < 1000000u && (NVMC_READY & 1u) == 0u; looks++) {
    }
}

static void set_config(uint32_t mode) {
    NVMC_CONFIG = mode;
    settle();
}

void hal_sector_erase(uint32_t *sector) {
    set_config(CONFIG_ERASE);
    NVMC_ERASEPAGE = (uint32_t)(uintptr_t)sector;
    settle();
    set_config(CONFIG_READ);
}

void hal_word_program(uint32_t *at, uint32_t word) {
    set_config(CONFIG_WRITE);
    *(volatile uint32_t *)at = word;
    settle();
    set_config(CONFIG_READ);
}
