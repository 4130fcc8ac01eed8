// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_MPS2_AN500_H
#define BLSH_BOARD_MPS2_AN500_H

#define BOARD_NAME               "mps2-an500"
#define BOARD_CORE               "cortex-m7"
#define BOARD_CORE_HZ            25000000u
#define BOARD_RECEIVE_RING_BYTES 4096u
#define BOARD_UART_BASE          0x40004000u
#define BOARD_UART_RX_IRQ        0u
#define BOARD_UART_BAUD          115200u
#define BOARD_UART_CLOCK_HZ      25000000u
#define BOARD_TICK_COUNTER       0x40028018u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            25000000u
#define BOARD_WATCHDOG_BASE      0x40008000u
#define BOARD_WATCHDOG_HZ        25000000u
#define BOARD_SLOT_ORIGIN        0x00200000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x100000u
#define BOARD_SECTOR_BYTES       0x1000u

#endif
