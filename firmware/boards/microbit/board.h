// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_MICROBIT_H
#define BLSH_BOARD_MICROBIT_H

#define BOARD_NAME               "microbit"
#define BOARD_CORE               "cortex-m0"
#define BOARD_CORE_HZ            16000000u
#define BOARD_RECEIVE_RING_BYTES 1024u
#define BOARD_UART_BASE          0x40002000u
#define BOARD_UART_RX_IRQ        2u
#define BOARD_UART_BAUD          115200u
#define BOARD_UART_CLOCK_HZ      16000000u
#define BOARD_TICK_COUNTER       0x40008540u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            16000000u
#define BOARD_UART_TX_PIN        0x18u
#define BOARD_UART_RX_PIN        0x19u
#define BOARD_SLOT_ORIGIN        0x00020000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x10000u
#define BOARD_SECTOR_BYTES       0x400u

#endif
