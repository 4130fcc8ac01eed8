// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_NRF52840_DK_H
#define BLSH_BOARD_NRF52840_DK_H

#define BOARD_NAME               "nrf52840_dk"
#define BOARD_CORE               "cortex-m4"
#define BOARD_CORE_HZ            64000000u
#define BOARD_RECEIVE_RING_BYTES 4096u
#define BOARD_UART_BASE          0x40002000u
#define BOARD_UART_RX_IRQ        2u
#define BOARD_UART_BAUD          460800u
#define BOARD_UART_CLOCK_HZ      16000000u
#define BOARD_TICK_COUNTER       0xe0001004u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            64000000u
#define BOARD_UART_TX_PIN        0x6u
#define BOARD_UART_RX_PIN        0x8u
#define BOARD_LED_PIN            0xdu
#define BOARD_SLOT_ORIGIN        0x00080000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x40000u
#define BOARD_SECTOR_BYTES       0x1000u
#define BOARD_LED_ACTIVE_LOW     1u
#define BOARD_TICK_IS_DWT        1

#endif
