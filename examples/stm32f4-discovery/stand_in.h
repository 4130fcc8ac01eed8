// SPDX-License-Identifier: Apache-2.0
/* For the emulator, in front of every file: the registers that QEMU's STM32F405 lacks lie in RAM. */
#ifndef STAND_IN_H
#define STAND_IN_H

#include <stdint.h>

volatile uint32_t *stand_in(uint32_t address);

#define HAL_REGISTER(address) (*stand_in(address))

#endif
