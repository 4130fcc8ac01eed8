// SPDX-License-Identifier: Apache-2.0
/* STM32F4: the embedded flash, by words of 32 bits (2.7 to 3.6 V). The core waits where it reads flash meanwhile: 16 us
 * for a word, 1 to 2 s for a sector of 128 KiB. Slots are whole sectors, of which boards.toml gives the size. */
#include "hal.h"
#include "hal_port.h"
#include "hal_storage.h"

#define FLASH_KEYR HAL_REGISTER(0x40023c04u)
#define FLASH_SR   HAL_REGISTER(0x40023c0cu)
#define FLASH_CR   HAL_REGISTER(0x40023c10u)
#define FLASH_ACR  HAL_REGISTER(0x40023c00u)

#define KEY_1 0x45670123u
#define KEY_2 0xcdef89abu

#define SR_BUSY   (1u << 16)
#define SR_ERRORS 0xf2u /* PGSERR, PGPERR, PGAERR, WRPERR, OPERR: write one to clear */

#define CR_PROGRAM   (1u << 0)
#define CR_ERASE     (1u << 1)
#define CR_SECTOR(n) ((n) << 3)
#define CR_WORDS     (2u << 8)
#define CR_START     (1u << 16)
#define CR_LOCK      (1u << 31)

#define ACR_DATA_CACHE       (1u << 10)
#define ACR_DATA_CACHE_RESET (1u << 12)

#define FLASH_ORIGIN 0x08000000u
#define LONGEST_S    4u /* a sector takes 2 s at worst */
_Static_assert(BOARD_TICK_HZ <= UINT32_MAX / LONGEST_S, "the counter wraps while a sector is erased");

static void settle(void) {
    const uint32_t start = hal_ticks();

    while ((FLASH_SR & SR_BUSY) != 0u && hal_ticks() - start < LONGEST_S * BOARD_TICK_HZ) {
    }
}

/* Four sectors of 16 KiB, one of 64, the rest of 128. */
static uint32_t sector_number(uint32_t address) {
    const uint32_t kib = (address - FLASH_ORIGIN) >> 10;

    return kib < 64u ? kib / 16u : kib < 128u ? 4u : 4u + kib / 128u;
}

static void unlock(uint32_t control) {
    FLASH_KEYR = KEY_1;
    FLASH_KEYR = KEY_2;
    settle();
    FLASH_SR = SR_ERRORS; /* an old one would refuse the next operation */
    FLASH_CR = control;
}

static void lock(void) {
    settle();
    FLASH_CR = CR_LOCK;
}

/* The data cache does not see what was erased. */
static void forget_cache(void) {
    const uint32_t control = FLASH_ACR;

    FLASH_ACR = control & ~ACR_DATA_CACHE;
    FLASH_ACR = (control & ~ACR_DATA_CACHE) | ACR_DATA_CACHE_RESET;
    FLASH_ACR = control;
}

void hal_sector_erase(uint32_t *sector) {
    const uint32_t control = CR_WORDS | CR_ERASE | CR_SECTOR(sector_number((uint32_t)(uintptr_t)sector));

    unlock(control);
    FLASH_CR = control | CR_START;
    lock();
    forget_cache();
}

void hal_word_program(uint32_t *at, uint32_t word) {
    unlock(CR_WORDS | CR_PROGRAM);
    *(volatile uint32_t *)at = word;
    lock();
}
