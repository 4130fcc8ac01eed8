// SPDX-License-Identifier: Apache-2.0
/* The sound of an nRF52840: a PDM microphone at its PDM, which makes samples by itself, and an I2S amplifier at its I2S.
 * Sections are those of the nRF52840 Product Specification v1.7. One crystal clocks both, so their rates are one:
 *
 *     32 MHz / 31 = 1.032 258 MHz, the microphone's bits    / 64 = 16 129.0 Hz
 *                   and the I2S's master clock, inside      / 64 = 16 129.0 Hz
 *
 * EasyDMA has no ring: its pointer has a second place for the next buffer, and an event says when that place is free
 * again. Two halves that take turns make the ring. */
#include "sound.h"

#include "hal.h"
#include "hal_port.h"
#include "sound_config.h"

/* 6.15.10 PDM registers */
#define PDM(offset)     HAL_REGISTER(0x4001d000u + (offset))
#define PDM_START       PDM(0x000u)
#define PDM_STARTED     PDM(0x100u)
#define PDM_END         PDM(0x108u)
#define PDM_INTENSET    PDM(0x304u)
#define PDM_ENABLE      PDM(0x500u)
#define PDM_CLOCK       PDM(0x504u)
#define PDM_MODE        PDM(0x508u)
#define PDM_GAIN_LEFT   PDM(0x518u)
#define PDM_RATIO       PDM(0x520u)
#define PDM_PSEL_CLK    PDM(0x540u)
#define PDM_PSEL_DIN    PDM(0x544u)
#define PDM_SAMPLE_PTR  PDM(0x560u)
#define PDM_SAMPLE_MAX  PDM(0x564u)
#define PDM_STARTED_IRQ (1u << 0)
#define PDM_END_IRQ     (1u << 2)
#define CLOCK_32M_31    0x08400000u
#define MONO            1u /* the left channel, at the falling edge */
#define RATIO_64        0u

/* 6.10.10 I2S registers */
#define I2S(offset)   HAL_REGISTER(0x40025000u + (offset))
#define I2S_START     I2S(0x000u)
#define I2S_TXPTRUPD  I2S(0x114u)
#define I2S_INTENSET  I2S(0x304u)
#define I2S_ENABLE    I2S(0x500u)
#define I2S_MODE      I2S(0x504u)
#define I2S_RXEN      I2S(0x508u)
#define I2S_TXEN      I2S(0x50cu)
#define I2S_MCKEN     I2S(0x510u)
#define I2S_MCKFREQ   I2S(0x514u)
#define I2S_RATIO     I2S(0x518u)
#define I2S_SWIDTH    I2S(0x51cu)
#define I2S_ALIGN     I2S(0x520u)
#define I2S_FORMAT    I2S(0x524u)
#define I2S_CHANNELS  I2S(0x528u)
#define I2S_TXD_PTR   I2S(0x540u)
#define I2S_MAXCNT    I2S(0x550u) /* in words of 32 bits: a left and a right sample */
#define I2S_PSEL_SCK  I2S(0x564u)
#define I2S_PSEL_LRCK I2S(0x568u)
#define I2S_PSEL_OUT  I2S(0x570u)
#define TXPTRUPD_IRQ  (1u << 5)
#define MASTER        0u
#define RATIO_64X     2u
#define BITS_16       1u

/* 6.9.2 GPIO registers: a pin is its number and 32 for the second port, as in boards.toml and in PSEL. */
#define GPIO(pin, offset) HAL_REGISTER(0x50000000u + 0x300u * ((pin) / 32u) + (offset))
#define OUTSET            0x508u
#define OUTCLR            0x50cu
#define DIRSET            0x518u
#define PIN_CNF(pin)      GPIO(pin, 0x700u + 4u * ((pin) % 32u))

#define MIC_CLK     30u
#define MIC_DIN     31u
#define AMP_SCK     (32u + 13u)
#define AMP_LRCK    (32u + 14u)
#define AMP_DATA    (32u + 15u)
#define BUSY_PIN    13u /* LED1; all are active low */
#define TROUBLE_PIN 14u /* LED2 */

#define NVIC_ISER0 HAL_REGISTER(0xe000e100u)
#define NVIC_ISER1 HAL_REGISTER(0xe000e104u)
#define PDM_IRQ    29u
#define I2S_IRQ    37u

/* EasyDMA's, in RAM. */
int16_t sound_input[2][SOUND_BLOCK];
int16_t sound_output[2][2u * SOUND_BLOCK];

static audio_stream_t *stream;
static uint32_t input_half;  /* being filled */
static uint32_t output_half; /* being played */
static bool playing;

static void pin_output(uint32_t pin, bool high) {
    GPIO(pin, high ? OUTSET : OUTCLR) = 1u << pin % 32u;
    GPIO(pin, DIRSET) = 1u << pin % 32u;
}

static uint32_t address(const void *memory) { return (uint32_t)(uintptr_t)memory; }

/* 6.15.6: the pins are set up before the PDM is enabled; the rest before it starts. */
static void set_up_microphone(void) {
    pin_output(MIC_CLK, false);
    PIN_CNF(MIC_DIN) = 0u; /* an input, connected */
    PDM_PSEL_CLK = MIC_CLK;
    PDM_PSEL_DIN = MIC_DIN;
    PDM_CLOCK = CLOCK_32M_31;
    PDM_MODE = MONO;
    PDM_RATIO = RATIO_64;
    PDM_GAIN_LEFT = SOUND_GAIN;
    PDM_SAMPLE_PTR = address(sound_input[0]);
    PDM_SAMPLE_MAX = SOUND_BLOCK;
    PDM_INTENSET = PDM_STARTED_IRQ | PDM_END_IRQ;
    PDM_ENABLE = 1u;
}

/* 6.10.9: all is set while the I2S is disabled. */
static void set_up_amplifier(void) {
    pin_output(AMP_SCK, false);
    pin_output(AMP_LRCK, false);
    pin_output(AMP_DATA, false);
    I2S_MODE = MASTER;
    I2S_RXEN = 0u;
    I2S_TXEN = 1u;
    I2S_MCKEN = 1u; /* without a pin of its own: SCK and LRCK come of it */
    I2S_MCKFREQ = CLOCK_32M_31;
    I2S_RATIO = RATIO_64X;
    I2S_SWIDTH = BITS_16;
    I2S_ALIGN = 0u;
    I2S_FORMAT = 0u; /* of Philips */
    I2S_CHANNELS = 0u;
    I2S_PSEL_SCK = AMP_SCK;
    I2S_PSEL_LRCK = AMP_LRCK;
    I2S_PSEL_OUT = AMP_DATA;
    I2S_TXD_PTR = address(sound_output[0]);
    I2S_MAXCNT = SOUND_BLOCK;
    I2S_INTENSET = TXPTRUPD_IRQ;
    I2S_ENABLE = 1u;
}

void sound_init(void) {
    hal_clock_init();
    pin_output(BUSY_PIN, true);
    pin_output(TROUBLE_PIN, true);
}

const char *sound_start(audio_stream_t *audio) {
    stream = audio;
    if (hal_clock_trouble() != NULL) {
        return hal_clock_trouble(); /* the inner oscillator wavers by 1.5 %, and the I2S's sound with it */
    }
    set_up_microphone();
    set_up_amplifier();
    NVIC_ISER0 = 1u << PDM_IRQ;
    NVIC_ISER1 = 1u << (I2S_IRQ - 32u);
    PDM_START = 1u; /* the input first */
    I2S_START = 1u;
    return NULL;
}

/* An event stays until it is cleared; reading it back waits until the clearing has arrived (6.1.8). */
static bool taken(volatile uint32_t *event) {
    const bool came = *event != 0u;

    if (came) {
        *event = 0u;
        (void)*event;
    }
    return came;
}

/* A half is full, and the next begins: in this order, for both may have come since. */
void pdm_irq(void) {
    if (taken(&PDM_END)) {
        audio_captured(stream, sound_input[input_half]);
        input_half ^= 1u;
    }
    if (taken(&PDM_STARTED)) {
        PDM_SAMPLE_PTR = address(sound_input[input_half ^ 1u]);
    }
}

/* A half begins to play, which the I2S had the address of: the other is played next, and was played before. */
void i2s_irq(void) {
    if (!taken(&I2S_TXPTRUPD)) {
        return;
    }
    output_half ^= playing ? 1u : 0u;
    int16_t *next = sound_output[output_half ^ 1u];
    I2S_TXD_PTR = address(next);
    if (playing) {
        audio_play(stream, next, 0);
        for (uint32_t i = SOUND_BLOCK; i > 0u; i--) { /* left and right; from the end, for it grows in its place */
            next[2u * i - 1u] = next[2u * i - 2u] = next[i - 1u];
        }
    }
    playing = true;
}

/* An interrupt sets the event, also between the last look at the stream and here: WFE then does not wait. */
void sound_wait(void) {
#if defined(__arm__)
    __asm__ volatile("wfe" ::: "memory");
#endif
}

void sound_working(bool working) { GPIO(BUSY_PIN, working ? OUTCLR : OUTSET) = 1u << BUSY_PIN; }

void sound_trouble(void) { GPIO(TROUBLE_PIN, OUTCLR) = 1u << TROUBLE_PIN; }
