// SPDX-License-Identifier: Apache-2.0
/* The second stage of the RP2040's start (data sheet, 2.8.1.3): its boot ROM copies the flash's first 256 bytes to RAM,
 * compares their CRC and runs them. They make the flash readable and go on with what lies behind them.
 *
 * Command 03h, a bit at a time, is what every flash knows. It is slow; but only the loader reads flash, once. */
#include "rp2.h"

#define CLOCK_DIVIDER     4u          /* even; 32 MHz at 128 MHz, and command 03h is good for 50 MHz or so */
#define FRAME_32_BITS     (31u << 16) /* DFS_32; in standard SPI, for SPI_FRF is 0 */
#define SEND_THEN_RECEIVE (3u << 8)   /* TMOD, "EEPROM read" */
#define READ_COMMAND      (0x03u << 24)
#define COMMAND_8_BITS    (2u << 8)
#define ADDRESS_24_BITS   (6u << 2) /* in fours */
#define NEXT_STAGE        0x10000100u

void boot2(void);

void boot2(void) {
    SSI_ENABLE = 0u; /* it takes settings only so */
    SSI_BAUDR = CLOCK_DIVIDER;
    SSI_CTRLR0 = FRAME_32_BITS | SEND_THEN_RECEIVE;
    SSI_SPI_CTRLR0 = READ_COMMAND | COMMAND_8_BITS | ADDRESS_24_BITS;
    SSI_CTRLR1 = 0u; /* one frame at a time */
    SSI_ENABLE = 1u;
#if defined(__arm__)
    rp2_enter((const uint32_t *)NEXT_STAGE);
#endif
}
