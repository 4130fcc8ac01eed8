// SPDX-License-Identifier: Apache-2.0
/* Two slots of flash that can be written while the firmware runs: the seam below firmware/app/models.c.
 *
 * Flash as NOR has it: erasing a sector makes every bit 1, programming a word makes bits 0 and never 1. Each call may
 * be cut short by a loss of power, and then leaves any of the bits it was to change as they were.
 * A board has slots where boards.toml gives it `slots`, and a driver hal_storage_<driver>.c.
 */
#ifndef BLSH_HAL_STORAGE_H
#define BLSH_HAL_STORAGE_H

#include <stdint.h>

#define HAL_SLOTS 2u

/* Where slot 0 or 1 lies; read it in place. */
uint32_t *hal_slot(uint32_t slot);

uint32_t hal_slot_bytes(void); /* of each slot, whole sectors; 0 where there is no storage */
uint32_t hal_sector_bytes(void);

/* Neither reports anything: read back what should now be there. Interrupts may be late meanwhile, by a sector's
 * time. */
void hal_sector_erase(uint32_t *sector);
void hal_word_program(uint32_t *at, uint32_t word);

#endif
