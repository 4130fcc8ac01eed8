// SPDX-License-Identifier: Apache-2.0
/* The registers of RP2040 and RP2350 that sound needs. Chapters are those of the data sheets; README.md names the public
 * headers that each address and bit was compared with. Where the two parts differ, the Makefile's PART decides. */
#ifndef RP2_H
#define RP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef HAL_REGISTER /* a test on the host puts a model of the part in its place */
#define HAL_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#endif

/* Every register of an APB or AHB-Lite peripheral is there three times more: the copies set or clear single bits. */
#define SETS(address)   HAL_REGISTER((address) + 0x2000u)
#define CLEARS(address) HAL_REGISTER((address) + 0x3000u)

#ifdef PART_RP2350
#define CLOCKS         0x40010000u
#define RESETS         0x40020000u
#define IO_BANK0       0x40028000u
#define PADS_BANK0     0x40038000u
#define XOSC           0x40048000u
#define PLL_SYS        0x40050000u
#define RESET_PLL_SYS  (1u << 14)
#define RESET_PIO0     (1u << 11)
#define RESET_PADS     (1u << 9)
#define RESET_IO       (1u << 6)
#define SIO_OUT_SET    HAL_REGISTER(0xd0000018u)
#define SIO_OUT_CLEAR  HAL_REGISTER(0xd0000020u)
#define SIO_OE_SET     HAL_REGISTER(0xd0000038u)
#define DMA_START      HAL_REGISTER(DMA + 0x450u) /* MULTI_CHAN_TRIGGER */
#define CTRL_INC_WRITE (1u << 6)
#define CTRL_RING(n)   ((n) << 8)
#define CTRL_RING_IN   (1u << 12) /* the ring is of the addresses that are written */
#define CTRL_CHAIN(n)  ((n) << 13)
#define CTRL_PACE(n)   ((n) << 17)
#define CTRL_BUSY      (1u << 26)
#define INPUT_IRQ      10u /* DMA_IRQ_0 */
#define OUTPUT_IRQ     11u
#else
#define CLOCKS         0x40008000u
#define RESETS         0x4000c000u
#define IO_BANK0       0x40014000u
#define PADS_BANK0     0x4001c000u
#define XOSC           0x40024000u
#define PLL_SYS        0x40028000u
#define RESET_PLL_SYS  (1u << 12)
#define RESET_PIO0     (1u << 10)
#define RESET_PADS     (1u << 8)
#define RESET_IO       (1u << 5)
#define SIO_OUT_SET    HAL_REGISTER(0xd0000014u)
#define SIO_OUT_CLEAR  HAL_REGISTER(0xd0000018u)
#define SIO_OE_SET     HAL_REGISTER(0xd0000024u)
#define DMA_START      HAL_REGISTER(DMA + 0x430u)
#define CTRL_INC_WRITE (1u << 5)
#define CTRL_RING(n)   ((n) << 6)
#define CTRL_RING_IN   (1u << 10)
#define CTRL_CHAIN(n)  ((n) << 11)
#define CTRL_PACE(n)   ((n) << 15)
#define CTRL_BUSY      (1u << 24)
#define INPUT_IRQ      11u
#define OUTPUT_IRQ     12u
#endif

/* Clocks: the generators of the reference and of the system, and what they run from at present, a bit each. */
#define CLK_REF_CTRL      HAL_REGISTER(CLOCKS + 0x30u)
#define CLK_REF_SELECTED  (CLOCKS + 0x38u)
#define CLK_SYS_CTRL      HAL_REGISTER(CLOCKS + 0x3cu)
#define CLK_SYS_SELECTED  (CLOCKS + 0x44u)
#define REF_FROM_XOSC     2u
#define SYS_FROM_REF      0u
#define SYS_FROM_AUX      1u /* whose source 0 is the PLL */
#define XOSC_CTRL         HAL_REGISTER(XOSC + 0x00u)
#define XOSC_STATUS       (XOSC + 0x04u)
#define XOSC_STARTUP      HAL_REGISTER(XOSC + 0x0cu)
#define XOSC_1_TO_15_MHZ  0xaa0u
#define XOSC_ENABLE       (0xfabu << 12)
#define XOSC_STABLE       (1u << 31)
#define PLL_CS            (PLL_SYS + 0x00u)
#define PLL_PWR           (PLL_SYS + 0x04u)
#define PLL_FBDIV         HAL_REGISTER(PLL_SYS + 0x08u)
#define PLL_PRIM          HAL_REGISTER(PLL_SYS + 0x0cu)
#define PLL_LOCK          (1u << 31)
#define PLL_DOWN          (1u << 0)
#define PLL_POSTDIV_DOWN  (1u << 3)
#define PLL_VCO_DOWN      (1u << 5)
#define RESETS_RESET      RESETS
#define RESETS_RESET_DONE (RESETS + 0x08u)
#define RESET_DMA         (1u << 2)

/* Pins. A pad of the RP2350 is cut off until its bit 8, ISO, is cleared: writing the whole pad does so. */
#define GPIO_CTRL(pin) HAL_REGISTER(IO_BANK0 + 8u * (pin) + 4u)
#define PAD(pin)       HAL_REGISTER(PADS_BANK0 + 4u * (pin) + 4u)
#define FUNCTION_SIO   5u
#define FUNCTION_PIO0  6u
#define PAD_PLAIN      (1u << 6 | 1u << 4 | 1u << 1) /* input on, 4 mA, Schmitt trigger, no pull */

/* PIO 0, state machine 0 */
#define PIO0             0x50200000u
#define PIO_CTRL         HAL_REGISTER(PIO0 + 0x00u)
#define PIO_FSTAT        (PIO0 + 0x04u)
#define PIO_TXF0         (PIO0 + 0x10u)
#define PIO_RXF0         (PIO0 + 0x20u)
#define PIO_INSTR_MEM(i) HAL_REGISTER(PIO0 + 0x48u + 4u * (i))
#define SM0_CLKDIV       HAL_REGISTER(PIO0 + 0xc8u)
#define SM0_EXECCTRL     HAL_REGISTER(PIO0 + 0xccu)
#define SM0_SHIFTCTRL    HAL_REGISTER(PIO0 + 0xd0u)
#define SM0_INSTR        HAL_REGISTER(PIO0 + 0xd8u)
#define SM0_PINCTRL      HAL_REGISTER(PIO0 + 0xdcu)
#define SM0_ENABLE       (1u << 0)
#define TX0_FULL         (1u << 16)
#define AUTOPUSH         (1u << 16) /* a threshold of 0 is 32 bits; both directions shift left, for bits 18, 19 are 0 */
#define AUTOPULL         (1u << 17)
#define PACE_PIO0_TX0    0u
#define PACE_PIO0_RX0    4u

/* DMA. CTRL is written through its second place, which starts nothing. */
#define DMA           0x50000000u
#define DMA_READ(n)   HAL_REGISTER(DMA + 0x40u * (n) + 0x00u)
#define DMA_WRITE(n)  HAL_REGISTER(DMA + 0x40u * (n) + 0x04u)
#define DMA_COUNT(n)  HAL_REGISTER(DMA + 0x40u * (n) + 0x08u)
#define DMA_CTRL(n)   HAL_REGISTER(DMA + 0x40u * (n) + 0x10u) /* AL1_CTRL */
#define DMA_INTE0     HAL_REGISTER(DMA + 0x404u)
#define DMA_INTS0     (DMA + 0x40cu)
#define DMA_INTE1     HAL_REGISTER(DMA + 0x414u)
#define DMA_INTS1     (DMA + 0x41cu)
#define CTRL_EN       (1u << 0)
#define CTRL_URGENT   (1u << 1)
#define CTRL_WORDS    (2u << 2)
#define CTRL_INC_READ (1u << 4)

/* The RP2040's interface to its flash, an SSI: only boot2.c touches it. */
#define SSI_CTRLR0     HAL_REGISTER(0x18000000u)
#define SSI_CTRLR1     HAL_REGISTER(0x18000004u)
#define SSI_ENABLE     HAL_REGISTER(0x18000008u)
#define SSI_BAUDR      HAL_REGISTER(0x18000014u)
#define SSI_SPI_CTRLR0 HAL_REGISTER(0x180000f4u)

/* The core's own */
#define CORE_VTOR  HAL_REGISTER(0xe000ed08u)
#define NVIC_ISER0 HAL_REGISTER(0xe000e100u)

/* How often a register is read before it is given up: 10 ms or more at any clock. */
#ifndef RP2_READINGS
#define RP2_READINGS 100000u
#endif

/* Return whether a register takes on the value `wanted` in `mask` in time. Inlined, for the loader runs from flash and the
 * rest from RAM. */
__attribute__((always_inline)) static inline bool rp2_becomes(uint32_t address, uint32_t mask, uint32_t wanted) {
    for (uint32_t i = 0; i < RP2_READINGS; i++) {
        if ((HAL_REGISTER(address) & mask) == wanted) {
            return true;
        }
    }
    return false;
}

/* Make 128 MHz of the crystal of 12 MHz: clock.c. From the loader alone: it lies in flash.
 *
 * Returns false where the crystal or the PLL does not start: then the core runs on at what it had. */
bool clock_start(void);

/* Return NULL, or a line about the clock that did not start. */
const char *clock_trouble(void);

#if defined(__arm__)
/* Go on with the program whose table of vectors this is. */
__attribute__((always_inline, noreturn)) static inline void rp2_enter(const uint32_t *vectors) {
    CORE_VTOR = (uint32_t)(uintptr_t)vectors;
#ifdef PART_RP2350
    __asm__ volatile("msr msplim, %0" ::"r"(0u)); /* the boot ROM's own limit is not this stack's */
#endif
    __asm__ volatile("msr msp, %0\n\tbx %1" ::"r"(vectors[0]), "r"(vectors[1]));
    __builtin_unreachable();
}
#endif

#endif
