// SPDX-License-Identifier: Apache-2.0
/* The registers of the STM32F407 that sound needs. Section numbers are those of the reference manual, RM0090 Rev 18;
 * addresses are base (2.3, "Memory map") plus offset ("... register map" at the end of each chapter). */
#ifndef STM32F4_H
#define STM32F4_H

#include <stddef.h>

#include "hal_port.h"

/* 7.3 RCC registers */
#define RCC_CR         HAL_REGISTER(0x40023800u)
#define RCC_PLLI2SCFGR HAL_REGISTER(0x40023884u)
#define RCC_CFGR       HAL_REGISTER(0x40023808u)
#define RCC_AHB1ENR    HAL_REGISTER(0x40023830u)
#define RCC_APB1ENR    HAL_REGISTER(0x40023840u)
#define CR_PLLI2SON    (1u << 26)
#define CR_PLLI2SRDY   (1u << 27)
#define CFGR_I2SSRC    (1u << 23) /* the clock of I2S from a pin instead of its PLL */
#define ENABLE_DMA1    (1u << 21) /* of AHB1 */
#define ENABLE_SPI2    (1u << 14) /* of APB1 */
#define ENABLE_SPI3    (1u << 15)
#define ENABLE_I2C1    (1u << 21)

/* 8.4 GPIO registers. Pins are numbered 0xa0 for PA0 to 0xff for PF15, as in boards.toml. */
#define PORT(pin)         ((pin) / 16u - 0xau)
#define GPIO_BASE(pin)    (0x40020000u + 0x400u * PORT(pin))
#define GPIO_MODER(pin)   HAL_REGISTER(GPIO_BASE(pin) + 0x00u)
#define GPIO_OTYPER(pin)  HAL_REGISTER(GPIO_BASE(pin) + 0x04u)
#define GPIO_OSPEEDR(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x08u)
#define GPIO_BSRR(pin)    HAL_REGISTER(GPIO_BASE(pin) + 0x18u)
#define GPIO_AFR(pin)     HAL_REGISTER(GPIO_BASE(pin) + 0x20u + 4u * ((pin) % 16u / 8u))

/* 10.5 DMA registers; stream 3 reports in LISR, stream 5 in HISR. */
#define DMA1           0x40026000u
#define DMA1_LISR      HAL_REGISTER(DMA1 + 0x00u)
#define DMA1_HISR      HAL_REGISTER(DMA1 + 0x04u)
#define DMA1_LIFCR     HAL_REGISTER(DMA1 + 0x08u)
#define DMA1_HIFCR     HAL_REGISTER(DMA1 + 0x0cu)
#define DMA_STREAM(n)  (DMA1 + 0x10u + 0x18u * (n))
#define DMA_CR(n)      HAL_REGISTER(DMA_STREAM(n) + 0x00u)
#define DMA_NDTR(n)    HAL_REGISTER(DMA_STREAM(n) + 0x04u)
#define DMA_PAR(n)     HAL_REGISTER(DMA_STREAM(n) + 0x08u)
#define DMA_M0AR(n)    HAL_REGISTER(DMA_STREAM(n) + 0x0cu)
#define DMA_FCR(n)     HAL_REGISTER(DMA_STREAM(n) + 0x14u)
#define DMA_ENABLE     (1u << 0)
#define DMA_HALF_IRQ   (1u << 3)
#define DMA_FULL_IRQ   (1u << 4)
#define DMA_TO_PART    (1u << 6) /* from memory; 0 is to memory */
#define DMA_CIRCULAR   (1u << 8)
#define DMA_NEXT_WORD  (1u << 10) /* the address in memory moves on */
#define DMA_HALF_WORDS (1u << 11 | 1u << 13)
#define DMA_URGENT     (2u << 16)
#define STREAM_3_FLAGS 0x0f400000u /* all of the stream's, of LISR */
#define STREAM_3_HALF  (1u << 26)
#define STREAM_3_FULL  (1u << 27)
#define STREAM_5_FLAGS 0x00000f40u /* of HISR */
#define STREAM_5_HALF  (1u << 10)
#define STREAM_5_FULL  (1u << 11)

/* 28.5 SPI and I2S registers */
#define SPI2           0x40003800u
#define SPI3           0x40003c00u
#define SPI_CR2(base)  HAL_REGISTER((base) + 0x04u)
#define SPI_DR(base)   ((base) + 0x0cu)
#define I2S_CFGR(base) HAL_REGISTER((base) + 0x1cu)
#define I2S_PR(base)   HAL_REGISTER((base) + 0x20u)
#define CR2_RXDMAEN    (1u << 0)
#define CR2_TXDMAEN    (1u << 1)
#define CFGR_CKPOL     (1u << 3)
#define CFGR_MSB       (1u << 4) /* left-justified; 0 is I2S Philips. Both with 16 bits in frames of 16 */
#define CFGR_MASTER_TX (2u << 8)
#define CFGR_MASTER_RX (3u << 8)
#define CFGR_I2SE      (1u << 10)
#define CFGR_I2SMOD    (1u << 11)
#define PR_MCKOE       (1u << 9)

/* 27.6 I2C registers */
#define I2C1_CR1   HAL_REGISTER(0x40005400u)
#define I2C1_CR2   HAL_REGISTER(0x40005404u)
#define I2C1_DR    HAL_REGISTER(0x40005410u)
#define I2C1_SR1   HAL_REGISTER(0x40005414u)
#define I2C1_SR2   HAL_REGISTER(0x40005418u)
#define I2C1_CCR   HAL_REGISTER(0x4000541cu)
#define I2C1_TRISE HAL_REGISTER(0x40005420u)
#define CR1_PE     (1u << 0)
#define CR1_START  (1u << 8)
#define CR1_STOP   (1u << 9)
#define CR1_SWRST  (1u << 15)
#define SR1_SB     (1u << 0)
#define SR1_ADDR   (1u << 1)
#define SR1_BTF    (1u << 2)
#define SR1_RXNE   (1u << 6)
#define SR1_TXE    (1u << 7)

/* ARMv7-M: the set-enable register of interrupts 0 to 31 */
#define NVIC_ISER0 HAL_REGISTER(0xe000e100u)

/* 8.3.2: give a pin to a peripheral, or make it an output. */
void pin_function(uint32_t pin, uint32_t function);
void pin_open_drain(uint32_t pin);
void pin_output(uint32_t pin);
void pin_set(uint32_t pin, bool high);

/* How often a register is read before it is given up: some 60 ms, longer than any wait here takes. */
#ifndef STM32F4_READINGS
#define STM32F4_READINGS 1000000u
#endif

/* Return whether a register takes on the value `wanted` in `mask` within so many readings. */
bool stm32f4_becomes(uint32_t address, uint32_t mask, uint32_t wanted, uint32_t readings);

/* The DAC's control port: codec.c. Returns NULL, or a line about what does not answer. MCLK has to run. */
const char *codec_start(void);

#endif
