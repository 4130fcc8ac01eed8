// SPDX-License-Identifier: Apache-2.0
/* GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write */
#ifndef BLSH_BOARD_DISCO_F407VG_H
#define BLSH_BOARD_DISCO_F407VG_H

#define BOARD_NAME               "disco_f407vg"
#define BOARD_CORE               "cortex-m4"
#define BOARD_CORE_HZ            168000000u
#define BOARD_RECEIVE_RING_BYTES 4096u
#define BOARD_UART_BASE          0x40004400u
#define BOARD_UART_RX_IRQ        38u
#define BOARD_UART_BAUD          460800u
#define BOARD_UART_CLOCK_HZ      42000000u
#define BOARD_TICK_COUNTER       0xe0001004u /* address of a 32-bit up-counter */
#define BOARD_TICK_HZ            168000000u
#define BOARD_UART_TX_PIN        0xa2u
#define BOARD_UART_RX_PIN        0xa3u
#define BOARD_LED_PIN            0xdcu
#define BOARD_SLOT_ORIGIN        0x08080000u /* of two places for models */
#define BOARD_SLOT_BYTES         0x40000u
#define BOARD_SECTOR_BYTES       0x20000u
#define BOARD_LED_ACTIVE_LOW     0u
#define BOARD_TICK_IS_DWT        1
#define BOARD_CRYSTAL_HZ         8000000u
#define BOARD_CRYSTAL_BYPASS     0u
#define BOARD_PLL_M              8u
#define BOARD_PLL_N              336u
#define BOARD_PLL_P              2u
#define BOARD_APB1_DIVIDER       4u
#define BOARD_APB2_DIVIDER       2u
#define BOARD_FLASH_WAIT_STATES  5u
#define BOARD_VOLTAGE_SCALE      1u
#define BOARD_OVERDRIVE          0u

#endif
