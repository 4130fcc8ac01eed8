// SPDX-License-Identifier: Apache-2.0
/* Where a board's slots lie, as boards.toml says. */
#include "hal_storage.h"

#include "board.h"

uint32_t *hal_slot(uint32_t slot) { return (uint32_t *)(uintptr_t)(BOARD_SLOT_ORIGIN + slot * BOARD_SLOT_BYTES); }

uint32_t hal_slot_bytes(void) { return BOARD_SLOT_BYTES; }

uint32_t hal_sector_bytes(void) { return BOARD_SECTOR_BYTES; }
