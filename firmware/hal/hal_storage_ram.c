// SPDX-License-Identifier: Apache-2.0
/* Storage for virtual boards whose flash the emulator does not write: memory with the manners of NOR flash. A reset of
 * the board leaves it as it is; so does the start-up code, because no section of the image lies there. */
#include "hal_port.h"
#include "hal_storage.h"

void hal_sector_erase(uint32_t *sector) {
    for (uint32_t i = 0; i < BOARD_SECTOR_BYTES / sizeof *sector; i++) {
        ((volatile uint32_t *)sector)[i] = UINT32_MAX;
    }
}

void hal_word_program(uint32_t *at, uint32_t word) { *(volatile uint32_t *)at &= word; }
