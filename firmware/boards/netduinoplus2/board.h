// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_NETDUINOPLUS2_H
#define BLSH_BOARD_NETDUINOPLUS2_H

#define BOARD_NAME               "netduinoplus2"
#define BOARD_CORE               "cortex-m4"
#define BOARD_CORE_HZ            16000000u
#define BOARD_RECEIVE_RING_BYTES 4096u
#define BOARD_UART_BASE          0x40011000u
#define BOARD_UART_RX_IRQ        37u
#define BOARD_UART_BAUD          115200u
#define BOARD_UART_CLOCK_HZ      16000000u
#define BOARD_TICK_COUNTER       0x40000024u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            1000000000u
#define BOARD_UART_TX_PIN        0xa9u
#define BOARD_UART_RX_PIN        0xaau
#define BOARD_SLOT_ORIGIN        0x20020000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x8000u
#define BOARD_SECTOR_BYTES       0x1000u

#endif
