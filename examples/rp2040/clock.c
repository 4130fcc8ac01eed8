// SPDX-License-Identifier: Apache-2.0
/* The clock of a Pico or Pico 2: its crystal of 12 MHz, 12 * 128 / 6 / 2 = 128 MHz. A bit of I2S then takes 125 cycles of
 * the core, 16 000 samples a second, exactly and without jitter. RP2040 data sheet: 2.15 clocks, 2.16 XOSC, 2.18 PLL,
 * 2.14 resets. */
#include "rp2.h"

#define FEEDBACK     128u /* a VCO of 1536 MHz; 750 to 1600 are allowed */
#define POST_DIVIDER (6u << 16 | 2u << 12)
#define XOSC_DELAY   188u /* times 256 cycles of the crystal: 4 ms */

#if defined(__arm__)
#define IN_FLASH __attribute__((section(".loader.text")))
#else
#define IN_FLASH
#endif

IN_FLASH bool clock_start(void) {
    CLK_SYS_CTRL = SYS_FROM_REF;
    if (!rp2_becomes(CLK_SYS_SELECTED, 3u, 1u << SYS_FROM_REF)) {
        return false;
    }
    XOSC_CTRL = XOSC_1_TO_15_MHZ;
    XOSC_STARTUP = XOSC_DELAY;
    SETS(XOSC) = XOSC_ENABLE;
    if (!rp2_becomes(XOSC_STATUS, XOSC_STABLE, XOSC_STABLE)) {
        return false;
    }
    CLK_REF_CTRL = REF_FROM_XOSC;
    if (!rp2_becomes(CLK_REF_SELECTED, 7u, 1u << REF_FROM_XOSC)) {
        return false;
    }
    SETS(RESETS_RESET) = RESET_PLL_SYS; /* whatever ran before */
    CLEARS(RESETS_RESET) = RESET_PLL_SYS;
    if (!rp2_becomes(RESETS_RESET_DONE, RESET_PLL_SYS, RESET_PLL_SYS)) {
        return false;
    }
    HAL_REGISTER(PLL_CS) = 1u; /* the reference is not divided */
    PLL_FBDIV = FEEDBACK;
    CLEARS(PLL_PWR) = PLL_DOWN | PLL_VCO_DOWN;
    if (!rp2_becomes(PLL_CS, PLL_LOCK, PLL_LOCK)) {
        return false;
    }
    PLL_PRIM = POST_DIVIDER;
    CLEARS(PLL_PWR) = PLL_POSTDIV_DOWN;
    CLK_SYS_CTRL = SYS_FROM_AUX;
    return rp2_becomes(CLK_SYS_SELECTED, 3u, 1u << SYS_FROM_AUX);
}

const char *clock_trouble(void) {
    if ((HAL_REGISTER(XOSC_STATUS) & XOSC_STABLE) == 0u) {
        return "clock: the crystal does not start";
    }
    if ((HAL_REGISTER(CLK_SYS_SELECTED) & 1u << SYS_FROM_AUX) == 0u) {
        return "clock: the PLL does not lock";
    }
    return NULL;
}
