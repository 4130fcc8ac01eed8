// SPDX-License-Identifier: Apache-2.0
/* The sound of a Raspberry Pi Pico or Pico 2: an I2S microphone and an I2S DAC at one state machine of PIO 0, which is the
 * master of both. i2s_pio.h has its program, rp2.h the registers.
 *
 *     128 MHz / 25 = 5.12 MHz, the state machine; a bit takes 5 cycles, a sample 64 bits: 16 000 Hz
 *
 * The DMA has no interrupt at half of a buffer. Two channels take turns: each moves a half and then starts the other. A
 * channel's addresses wrap at the end of its half, so it is ready again without anybody's help. */
#include "sound.h"

#include "i2s_pio.h"
#include "rp2.h"
#include "sound_config.h"

#define CORE_HZ 128000000u
#define RATE_HZ 16000u
#define DIVIDER (CORE_HZ / (RATE_HZ * 2u * I2S_SLOT_BITS * I2S_CYCLES_A_BIT))
_Static_assert(DIVIDER * RATE_HZ * 2u * I2S_SLOT_BITS * I2S_CYCLES_A_BIT == CORE_HZ, "the divider is a whole number");

#define MIC_DATA    16u /* GP16 to GP19 */
#define DAC_DATA    17u
#define BIT_CLOCK   18u
#define WORD_SELECT 19u
#define BUSY_PIN    15u
#define TROUBLE_PIN 25u /* the LED of a board without radio */
#define OUTPUTS     7u  /* three pins from DAC_DATA on */

/* Channels of the DMA: the first half of a buffer and the second. */
#define INPUT      0u
#define OUTPUT     2u
#define HALF_WORDS (SOUND_BLOCK * 2u) /* left and right, 32 bits each */
#define HALF_BYTES (HALF_WORDS * 4u)
#define RING_BITS  (31u - (uint32_t)__builtin_clz(HALF_BYTES))
#define LEAD_WORDS 8u /* the input is 4 samples ahead */
#define FIFO_WORDS 4u
_Static_assert((HALF_BYTES & (HALF_BYTES - 1u)) == 0u, "the DMA's ring is a power of two: so is SOUND_BLOCK");

/* The DMA's, each half aligned to its own size. */
__attribute__((aligned(HALF_BYTES))) int32_t sound_input[2][SOUND_BLOCK][2];
__attribute__((aligned(HALF_BYTES))) int32_t sound_output[2][SOUND_BLOCK][2];

static audio_stream_t *stream;

/* ---- set-up ----------------------------------------------------------------------------------------------------- */

static uint32_t address(const void *memory) { return (uint32_t)(uintptr_t)memory; }

static void pin_function(uint32_t pin, uint32_t function) {
    GPIO_CTRL(pin) = function;
    PAD(pin) = PAD_PLAIN;
}

static void pin_output(uint32_t pin) {
    SIO_OUT_CLEAR = 1u << pin;
    SIO_OE_SET = 1u << pin;
    pin_function(pin, FUNCTION_SIO);
}

static void set_up_pio(void) {
    for (uint32_t i = 0; i < I2S_INSTRUCTIONS; i++) {
        PIO_INSTR_MEM(i) = i2s_program[i];
    }
    SM0_EXECCTRL = (I2S_INSTRUCTIONS - 1u) << 12; /* after the last instruction the first */
    SM0_SHIFTCTRL = AUTOPULL | AUTOPUSH;
    SM0_PINCTRL = 2u << 29 | 3u << 26 | 1u << 20 | MIC_DATA << 15 | BIT_CLOCK << 10 | DAC_DATA << 5 | DAC_DATA;
    SM0_INSTR = SET_PINDIRS(OUTPUTS); /* executed at once, though the machine stands */
    SM0_INSTR = JMP(I2S_ENTRY);
    SM0_CLKDIV = DIVIDER << 16;
    pin_function(MIC_DATA, FUNCTION_PIO0);
    pin_function(DAC_DATA, FUNCTION_PIO0);
    pin_function(BIT_CLOCK, FUNCTION_PIO0);
    pin_function(WORD_SELECT, FUNCTION_PIO0);
}

/* A channel for each half, which starts the other one when it is done. */
static void set_up_dma(uint32_t first, uint32_t from, uint32_t to, uint32_t from_step, uint32_t to_step,
                       uint32_t ctrl) {
    for (uint32_t half = 0; half < 2u; half++) {
        DMA_READ(first + half) = from + half * from_step;
        DMA_WRITE(first + half) = to + half * to_step;
        DMA_COUNT(first + half) = HALF_WORDS;
        DMA_CTRL(first + half) =
            CTRL_EN | CTRL_URGENT | CTRL_WORDS | CTRL_RING(RING_BITS) | CTRL_CHAIN(first + (half ^ 1u)) | ctrl;
    }
}

static bool give_silence(uint32_t words) {
    for (uint32_t i = 0; i < words; i++) {
        if (!rp2_becomes(PIO_FSTAT, TX0_FULL, 0u)) {
            return false;
        }
        HAL_REGISTER(PIO_TXF0) = 0u;
    }
    return true;
}

/* Words of silence delay the output's DMA, so that a block of input is there before the output asks for one. */
static bool start_together(void) {
    DMA_START = 1u << INPUT;
    if (!give_silence(FIFO_WORDS)) {
        return false;
    }
    SETS(PIO0) = SM0_ENABLE;
    if (!give_silence(LEAD_WORDS)) {
        return false;
    }
    DMA_START = 1u << OUTPUT;
    return true;
}

void sound_init(void) {
    CLEARS(RESETS_RESET) = RESET_IO | RESET_PADS | RESET_PIO0 | RESET_DMA;
    (void)rp2_becomes(RESETS_RESET_DONE, RESET_IO | RESET_PADS | RESET_PIO0 | RESET_DMA,
                      RESET_IO | RESET_PADS | RESET_PIO0 | RESET_DMA);
    pin_output(BUSY_PIN);
    pin_output(TROUBLE_PIN);
}

const char *sound_start(audio_stream_t *audio) {
    stream = audio;
    if (clock_trouble() != NULL) {
        return clock_trouble();
    }
    set_up_pio();
    set_up_dma(INPUT, PIO_RXF0, address(sound_input), 0u, HALF_BYTES,
               CTRL_INC_WRITE | CTRL_RING_IN | CTRL_PACE(PACE_PIO0_RX0));
    set_up_dma(OUTPUT, address(sound_output), PIO_TXF0, HALF_BYTES, 0u, CTRL_INC_READ | CTRL_PACE(PACE_PIO0_TX0));
    DMA_INTE0 = 3u << INPUT;
    DMA_INTE1 = 3u << OUTPUT;
    NVIC_ISER0 = 1u << INPUT_IRQ | 1u << OUTPUT_IRQ;
    return start_together() ? NULL : "sound: the PIO stands still";
}

/* ---- interrupts ------------------------------------------------------------------------------------------------ */

static bool in_second(uint32_t first) { return (DMA_CTRL(first + 1u) & CTRL_BUSY) != 0u; }

/* Calls `done` for the halves whose channels are done. An interrupt that was late finds both: the older half is then the
 * one that the DMA is in again. The handlers have one priority, so neither interrupts the other. */
static void for_halves(uint32_t first, uint32_t status, void (*done)(uint32_t)) {
    const uint32_t flags = HAL_REGISTER(status) & 3u << first;
    const bool zero = (flags & 1u << first) != 0u, one = (flags & 2u << first) != 0u;

    HAL_REGISTER(status) = flags; /* a 1 clears */
    if (zero && one && in_second(first)) {
        done(1u);
        done(0u);
        return;
    }
    if (zero) {
        done(0u);
    }
    if (one) {
        done(1u);
    }
}

static int16_t heard(int32_t slot) {
    const int32_t sample = slot >> (16u - SOUND_GAIN_BITS);
    return (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : sample);
}

static void captured(uint32_t half) {
    int16_t samples[SOUND_BLOCK];

    for (uint32_t i = 0; i < SOUND_BLOCK; i++) {
        samples[i] = heard(sound_input[half][i][0]);
    }
    audio_captured(stream, samples);
}

void input_irq(void) { for_halves(INPUT, DMA_INTS0, captured); }

/* Samples that the DMA has moved of the half that it is in. */
static int32_t moved(uint32_t first) {
    return (int32_t)(HALF_WORDS - DMA_COUNT(first + (in_second(first) ? 1u : 0u))) / 2;
}

/* By how many samples the microphone is further in its half than the DAC in its own, for audio_latency. */
static int32_t apart(void) {
    int32_t input = moved(INPUT);

    if (HAL_REGISTER(DMA_INTS0) != 0u && input < (int32_t)SOUND_BLOCK / 2) {
        input += (int32_t)SOUND_BLOCK; /* a half is full, and its interrupt waits for this one to end */
    }
    return input - moved(OUTPUT);
}

static void play(uint32_t half) {
    int16_t samples[SOUND_BLOCK];

    audio_play(stream, samples, apart());
    for (uint32_t i = 0; i < SOUND_BLOCK; i++) {
        sound_output[half][i][0] = sound_output[half][i][1] = samples[i] * 65536;
    }
}

void output_irq(void) { for_halves(OUTPUT, DMA_INTS1, play); }

/* ---- the main loop's ------------------------------------------------------------------------------------------- */

/* An interrupt sets the event, also between the last look at the stream and here: WFE then does not wait. */
void sound_wait(void) {
#if defined(__arm__)
    __asm__ volatile("wfe" ::: "memory");
#endif
}

void sound_working(bool working) {
    if (working) {
        SIO_OUT_SET = 1u << BUSY_PIN;
    } else {
        SIO_OUT_CLEAR = 1u << BUSY_PIN;
    }
}

void sound_trouble(void) { SIO_OUT_SET = 1u << TROUBLE_PIN; }
