// SPDX-License-Identifier: Apache-2.0
/* The sound of ST's STM32F4DISCOVERY: its microphone, an MP45DT02, gives bits to I2S2; its DAC, a CS43L22, takes samples
 * from I2S3. stm32f4.h names the sections of the manual. One PLL clocks both, so their rates are one:
 *
 *     8 MHz / 8 * 213 / 2 = 106.5 MHz, the clock of I2S
 *     / 104 = 1.024 038 MHz, the microphone's bits        / 64 = 16 000.6 Hz
 *     / 26  = 4.096 154 MHz, the DAC's master clock       / 256 = 16 000.6 Hz */
#include "sound.h"

#include "hal.h"
#include "pdm.h"
#include "sound_config.h"
#include "stm32f4.h"

#define PLLI2S_N     213u
#define PLLI2S_R     2u
#define BIT_DIVIDER  104u /* 28.4.4: without a master clock the bits come at I2SxCLK / (2 I2SDIV + ODD) */
#define RATE_DIVIDER 26u  /* with one, frames at I2SxCLK / (256 (2 I2SDIV + ODD)) */
_Static_assert(BIT_DIVIDER *SOUND_RATIO == 256u * RATE_DIVIDER, "microphone and DAC have one rate");

#define MIC_CK  0xbau /* PB10 */
#define MIC_SD  0xc3u /* PC3 */
#define DAC_WS  0xa4u /* PA4 */
#define DAC_MCK 0xc7u /* PC7 */
#define DAC_CK  0xcau /* PC10 */
#define DAC_SD  0xccu /* PC12 */
#define I2S2_AF 5u
#define I2S3_AF 6u

#define BUSY_PIN    0xddu /* LD3, orange: up while a hop is worked on */
#define TROUBLE_PIN 0xdeu /* LD5, red */

#define MIC_STREAM 3u /* 10.3.3, table 42: SPI2_RX is channel 0 of stream 3 of DMA1, interrupt 14 */
#define DAC_STREAM 5u /* SPI3_TX is channel 0 of stream 5, interrupt 16 */
#define MIC_IRQ    14u
#define DAC_IRQ    16u

#define WORDS_A_SAMPLE (SOUND_RATIO / PDM_WORD_BITS)
#define MIC_WORDS      (SOUND_BLOCK * WORDS_A_SAMPLE) /* of half a buffer */
#define DAC_WORDS      (SOUND_BLOCK * 2u)             /* left and right */
#define NEAR_THE_END   8u                             /* words: 4 samples */

/* The DMA's, and so neither static nor on the stack; the core's own RAM (CCM) is out of the DMA's reach. */
uint16_t sound_bits[2u * MIC_WORDS];
int16_t sound_samples[2u * DAC_WORDS];

static audio_stream_t *stream;
static pdm_t pdm;

/* ---- pins and clocks ------------------------------------------------------------------------------------------- */

static void replace(volatile uint32_t *reg, uint32_t shift, uint32_t mask, uint32_t value) {
    *reg = (*reg & ~(mask << shift)) | value << shift;
}

static void clock_port(uint32_t pin) {
    RCC_AHB1ENR |= 1u << PORT(pin);
    (void)RCC_AHB1ENR; /* a peripheral may be touched two cycles after its clock is on */
}

void pin_function(uint32_t pin, uint32_t function) {
    clock_port(pin);
    replace(&GPIO_AFR(pin), 4u * (pin % 8u), 0xfu, function);
    replace(&GPIO_OSPEEDR(pin), 2u * (pin % 16u), 3u, 1u); /* MCLK is too fast for the slowest */
    replace(&GPIO_MODER(pin), 2u * (pin % 16u), 3u, 2u);
}

void pin_open_drain(uint32_t pin) {
    clock_port(pin);
    GPIO_OTYPER(pin) |= 1u << pin % 16u;
}

void pin_output(uint32_t pin) {
    clock_port(pin);
    replace(&GPIO_MODER(pin), 2u * (pin % 16u), 3u, 1u);
}

void pin_set(uint32_t pin, bool high) { GPIO_BSRR(pin) = 1u << (pin % 16u + (high ? 0u : 16u)); }

bool stm32f4_becomes(uint32_t address, uint32_t mask, uint32_t wanted, uint32_t readings) {
    for (uint32_t i = 0; i < readings; i++) {
        if ((HAL_REGISTER(address) & mask) == wanted) {
            return true;
        }
    }
    return false;
}

/* 7.3.23: its factors may change while it is off; its input is that of the main PLL, 1 MHz. */
static bool start_plli2s(void) {
    RCC_CR &= ~CR_PLLI2SON;
    RCC_CFGR &= ~CFGR_I2SSRC;
    RCC_PLLI2SCFGR = PLLI2S_R << 28 | PLLI2S_N << 6;
    RCC_CR |= CR_PLLI2SON;
    return stm32f4_becomes(0x40023800u, CR_PLLI2SRDY, CR_PLLI2SRDY, STM32F4_READINGS);
}

/* ---- the transfers ---------------------------------------------------------------------------------------------- */

/* 10.3.17: all is set while the stream is off. Channel 0 and direct mode are zeros. */
static void set_up_dma(uint32_t number, uint32_t part, const void *memory, uint32_t words, uint32_t options) {
    DMA_CR(number) &= ~DMA_ENABLE;
    (void)stm32f4_becomes(DMA_STREAM(number), DMA_ENABLE, 0u, STM32F4_READINGS);
    DMA_PAR(number) = part;
    DMA_M0AR(number) = (uint32_t)(uintptr_t)memory;
    DMA_NDTR(number) = words;
    DMA_FCR(number) = 0u;
    DMA_CR(number) = DMA_URGENT | DMA_HALF_WORDS | DMA_NEXT_WORD | DMA_CIRCULAR | options;
}

/* The DAC plays silence, so that it has its clocks; nobody is told of its halves yet. */
static void start_silence(void) {
    RCC_APB1ENR |= ENABLE_SPI3;
    (void)RCC_APB1ENR;
    pin_function(DAC_WS, I2S3_AF);
    pin_function(DAC_MCK, I2S3_AF);
    pin_function(DAC_CK, I2S3_AF);
    pin_function(DAC_SD, I2S3_AF);
    I2S_CFGR(SPI3) = CFGR_I2SMOD | CFGR_MASTER_TX;
    I2S_PR(SPI3) = PR_MCKOE | RATE_DIVIDER / 2u;
    SPI_CR2(SPI3) = CR2_TXDMAEN;
    set_up_dma(DAC_STREAM, SPI_DR(SPI3), sound_samples, 2u * DAC_WORDS, DMA_TO_PART);
    DMA1_HIFCR = STREAM_5_FLAGS;
    DMA_CR(DAC_STREAM) |= DMA_ENABLE;
    I2S_CFGR(SPI3) |= CFGR_I2SE;
}

static void set_up_microphone(void) {
    RCC_APB1ENR |= ENABLE_SPI2;
    (void)RCC_APB1ENR;
    pin_function(MIC_CK, I2S2_AF);
    pin_function(MIC_SD, I2S2_AF);
    /* The bits have no frame: all are taken, 16 at a time. The clock rests high, as in ST's board support. */
    I2S_CFGR(SPI2) = CFGR_I2SMOD | CFGR_MASTER_RX | CFGR_MSB | CFGR_CKPOL;
    I2S_PR(SPI2) = BIT_DIVIDER / 2u;
    SPI_CR2(SPI2) = CR2_RXDMAEN;
    set_up_dma(MIC_STREAM, SPI_DR(SPI2), sound_bits, 2u * MIC_WORDS, DMA_HALF_IRQ | DMA_FULL_IRQ);
    DMA1_LIFCR = STREAM_3_FLAGS;
}

static uint32_t left_of_half(uint32_t number, uint32_t words) { return (DMA_NDTR(number) - 1u) % words + 1u; }

/* Starts the input a few samples before the DAC begins another half; from that half on it is told of. So the first
 * block of the DAC is filled those samples after the first block of input has come. */
static bool start_together(void) {
    uint32_t readings = STM32F4_READINGS;

    while (readings > 0u && left_of_half(DAC_STREAM, DAC_WORDS) > NEAR_THE_END) {
        readings--;
    }
    DMA_CR(MIC_STREAM) |= DMA_ENABLE;
    I2S_CFGR(SPI2) |= CFGR_I2SE;
    DMA1_HIFCR = STREAM_5_FLAGS;
    while (readings > 0u && (DMA1_HISR & (STREAM_5_HALF | STREAM_5_FULL)) == 0u) {
        readings--;
    }
    DMA1_HIFCR = STREAM_5_FLAGS;
    DMA_CR(DAC_STREAM) |= DMA_HALF_IRQ | DMA_FULL_IRQ;
    NVIC_ISER0 = 1u << MIC_IRQ | 1u << DAC_IRQ;
    return readings > 0u;
}

void sound_init(void) {
    hal_clock_init();
    pin_output(BUSY_PIN);
    pin_output(TROUBLE_PIN);
}

const char *sound_start(audio_stream_t *audio) {
    stream = audio;
    if (hal_clock_trouble() != NULL) {
        return hal_clock_trouble();
    }
    if (!pdm_init(&pdm, SOUND_RATIO, SOUND_GAIN)) {
        return "sound: pdm.c knows neither this ratio nor this gain";
    }
    if (!start_plli2s()) {
        return "sound: the PLL of I2S does not lock";
    }
    RCC_AHB1ENR |= ENABLE_DMA1;
    (void)RCC_AHB1ENR;
    start_silence();
    const char *silent = codec_start();
    if (silent != NULL) {
        return silent;
    }
    set_up_microphone();
    return start_together() ? NULL : "sound: the DMA of I2S3 stands still";
}

/* ---- interrupts ------------------------------------------------------------------------------------------------ */

/* Calls `done` for the halves that the flags name. An interrupt that was late finds both: the older half is then the one
 * that the DMA is in again. The handlers have one priority, so neither interrupts the other. */
static void for_halves(bool half, bool full, bool in_second, void (*done)(uint32_t)) {
    if (half && !(full && in_second)) {
        done(0u);
    }
    if (full) {
        done(1u);
    }
    if (half && full && in_second) {
        done(0u);
    }
}

static void captured(uint32_t half) {
    int16_t samples[SOUND_BLOCK];

    pdm_decimate(&pdm, sound_bits + half * MIC_WORDS, samples, SOUND_BLOCK);
    audio_captured(stream, samples);
}

void dma1_stream3_irq(void) {
    const uint32_t flags = DMA1_LISR;

    DMA1_LIFCR = STREAM_3_FLAGS;
    for_halves((flags & STREAM_3_HALF) != 0u, (flags & STREAM_3_FULL) != 0u, DMA_NDTR(MIC_STREAM) <= MIC_WORDS,
               captured);
}

/* By how many samples the microphone is further in its half than the DAC in its own, for audio_latency. */
static int32_t apart(void) {
    const uint32_t taken = (DAC_WORDS - left_of_half(DAC_STREAM, DAC_WORDS)) / 2u;
    uint32_t captured_now = (MIC_WORDS - left_of_half(MIC_STREAM, MIC_WORDS)) / WORDS_A_SAMPLE;

    if ((DMA1_LISR & (STREAM_3_HALF | STREAM_3_FULL)) != 0u && captured_now < SOUND_BLOCK / 2u) {
        captured_now += SOUND_BLOCK; /* a half is full, and its interrupt waits for this one to end */
    }
    return (int32_t)captured_now - (int32_t)taken;
}

static void play(uint32_t half) {
    int16_t *samples = sound_samples + half * DAC_WORDS;

    audio_play(stream, samples, apart());
    for (uint32_t i = SOUND_BLOCK; i > 0u; i--) { /* left and right; from the end, for it grows in its place */
        samples[2u * i - 1u] = samples[2u * i - 2u] = samples[i - 1u];
    }
}

void dma1_stream5_irq(void) {
    const uint32_t flags = DMA1_HISR;

    DMA1_HIFCR = STREAM_5_FLAGS;
    for_halves((flags & STREAM_5_HALF) != 0u, (flags & STREAM_5_FULL) != 0u, DMA_NDTR(DAC_STREAM) <= DAC_WORDS, play);
}

/* An interrupt sets the event, also between the last look at the stream and here: WFE then does not wait. */
void sound_wait(void) {
#if defined(__arm__)
    __asm__ volatile("wfe" ::: "memory");
#endif
}

void sound_working(bool working) { pin_set(BUSY_PIN, working); }

void sound_trouble(void) { pin_set(TROUBLE_PIN, true); }
