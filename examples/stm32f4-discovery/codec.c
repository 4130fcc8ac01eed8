// SPDX-License-Identifier: Apache-2.0
/* The board's DAC, a Cirrus Logic CS43L22 at I2C1 (UM1472, 6.5 and the schematics; data sheet DS792F2). */
#include "stm32f4.h"

#define RESET_PIN 0xd4u
#define SCL_PIN   0xb6u
#define SDA_PIN   0xb9u
#define I2C_AF    4u

#define APB1_HZ     (BOARD_CORE_HZ / BOARD_APB1_DIVIDER)
#define I2C_HZ      100000u
#define ADDRESS     0x94u                    /* AD0 is low: DS792F2, 5.1; bit 0 is 1 to read */
#define RESET_READS (STM32F4_READINGS / 25u) /* 2 ms or more */
#define SR1         0x40005414u

/* DS792F2, 7: the register quick reference */
#define REG_ID           0x01u
#define REG_POWER_1      0x02u
#define REG_POWER_2      0x04u
#define REG_CLOCKING     0x05u
#define REG_INTERFACE_1  0x06u
#define REG_PCM_A        0x1au
#define REG_PCM_B        0x1bu
#define REG_MASTER_A     0x20u
#define REG_MASTER_B     0x21u
#define ID_MASK          0xf8u
#define ID               0xe0u
#define POWER_DOWN       0x01u
#define POWER_UP         0x9eu
#define HEADPHONE_ALWAYS 0xafu /* and no loudspeaker, which this board lacks */
#define CLOCKS_DETECTED  0x81u /* from MCLK and LRCK; MCLK is halved, as ST's board support has it */
#define SLAVE_I2S        0x04u
#define MASTER_QUIETER   0xe0u /* -16 dB, in steps of half a dB */

static bool i2c_has(uint32_t flag) { return stm32f4_becomes(SR1, flag, flag, STM32F4_READINGS); }

/* 27.3.3: a start condition and the address; false where nobody answers. */
static bool addressed(uint32_t address) {
    I2C1_CR1 |= CR1_START;
    if (!i2c_has(SR1_SB)) {
        return false;
    }
    I2C1_DR = address;
    return i2c_has(SR1_ADDR);
}

static bool codec_write(uint32_t number, uint32_t value) {
    bool sent = addressed(ADDRESS);

    if (sent) {
        (void)I2C1_SR2; /* clears ADDR */
        I2C1_DR = number;
        sent = i2c_has(SR1_TXE);
    }
    if (sent) {
        I2C1_DR = value;
        sent = i2c_has(SR1_BTF);
    }
    I2C1_CR1 |= CR1_STOP;
    return sent;
}

/* Returns the register, or 256 where nobody answers. 27.3.3, a single byte: STOP right after ADDR is
 * cleared. ACK is never on, so the byte is the last. */
static uint32_t codec_read(uint32_t number) {
    uint32_t value = 256u;

    if (addressed(ADDRESS)) {
        (void)I2C1_SR2;
        I2C1_DR = number;
        if (i2c_has(SR1_BTF) && addressed(ADDRESS | 1u)) {
            (void)I2C1_SR2;
            I2C1_CR1 |= CR1_STOP;
            if (i2c_has(SR1_RXNE)) {
                value = I2C1_DR & 0xffu;
            }
            return value;
        }
    }
    I2C1_CR1 |= CR1_STOP;
    return value;
}

static void start_i2c(void) {
    RCC_APB1ENR |= ENABLE_I2C1;
    (void)RCC_APB1ENR;
    pin_open_drain(SCL_PIN);
    pin_open_drain(SDA_PIN);
    pin_function(SCL_PIN, I2C_AF);
    pin_function(SDA_PIN, I2C_AF);
    I2C1_CR1 = CR1_SWRST; /* a bus that was busy at the last reset */
    I2C1_CR1 = 0u;
    I2C1_CR2 = APB1_HZ / 1000000u;
    I2C1_CCR = APB1_HZ / (2u * I2C_HZ);
    I2C1_TRISE = APB1_HZ / 1000000u + 1u; /* 1000 ns */
    I2C1_CR1 = CR1_PE;
}

/* DS792F2, 4.11: settings that the data sheet asks for without a reason. */
static bool required_settings(void) {
    const uint32_t value = codec_write(0x00u, 0x99u) && codec_write(0x47u, 0x80u) ? codec_read(0x32u) : 256u;

    return value <= 0xffu && codec_write(0x32u, value | 0x80u) && codec_write(0x32u, value & 0x7fu) &&
           codec_write(0x00u, 0x00u);
}

const char *codec_start(void) {
    static const uint8_t settings[][2] = {
        {REG_POWER_2, HEADPHONE_ALWAYS},
        {REG_CLOCKING, CLOCKS_DETECTED},
        {REG_INTERFACE_1, SLAVE_I2S},
        {REG_PCM_A, 0x00u},
        {REG_PCM_B, 0x00u}, /* 0 dB and not muted */
        {REG_MASTER_A, MASTER_QUIETER},
        {REG_MASTER_B, MASTER_QUIETER},
    };

    pin_output(RESET_PIN);
    pin_set(RESET_PIN, false);
    (void)stm32f4_becomes(0x40023800u, 0u, 1u, RESET_READS); /* never: it passes time */
    pin_set(RESET_PIN, true);
    start_i2c();
    if ((codec_read(REG_ID) & ID_MASK) != ID) {
        return "codec: no CS43L22 answers on I2C1";
    }
    /* DS792F2, 4.9: power stays down until all is set and MCLK runs. */
    bool taken = codec_write(REG_POWER_1, POWER_DOWN);
    for (uint32_t i = 0; taken && i < sizeof settings / sizeof settings[0]; i++) {
        taken = codec_write(settings[i][0], settings[i][1]);
    }
    taken = taken && required_settings() && codec_write(REG_POWER_1, POWER_UP);
    return taken ? NULL : "codec: the CS43L22 stops answering";
}
