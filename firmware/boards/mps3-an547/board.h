// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_MPS3_AN547_H
#define BLSH_BOARD_MPS3_AN547_H

#define BOARD_NAME               "mps3-an547"
#define BOARD_CORE               "cortex-m55"
#define BOARD_CORE_HZ            32000000u
#define BOARD_RECEIVE_RING_BYTES 4096u
#define BOARD_UART_BASE          0x59303000u
#define BOARD_UART_RX_IRQ        33u
#define BOARD_UART_BAUD          115200u
#define BOARD_UART_CLOCK_HZ      25000000u
#define BOARD_TICK_COUNTER       0x59302018u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            20000000u
#define BOARD_WATCHDOG_BASE      0x5802e000u
#define BOARD_WATCHDOG_HZ        32768u
#define BOARD_SLOT_ORIGIN        0x10040000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x20000u
#define BOARD_SECTOR_BYTES       0x1000u

#endif
