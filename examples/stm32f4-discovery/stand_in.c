// SPDX-License-Identifier: Apache-2.0
/* Plays clocks, DMA, microphone and DAC in QEMU, which has none of the part's: program, interrupts and core are real.
 *
 * The registers of the peripherals lie in RAM. SysTick plays both DMA streams, a block at a time: it fills a half of the
 * input from the file sound.pdm, writes a half of the output to sound.raw, and pends the interrupts of the DMA. Ready
 * bits follow their switches at once, and the DAC acknowledges whatever it is sent. At the end of sound.pdm the counts
 * are printed, and the emulator ends. Files and text go through semihosting. */
#include "stand_in.h"

#include <string.h>

#include "sound.h"
#include "sound_config.h"
#include "stm32f4.h"

#define SYST_CSR     (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR     (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR     (*(volatile uint32_t *)0xe000e018u)
#define NVIC_ISPR0   (*(volatile uint32_t *)0xe000e200u)
#define SYST_ENABLE  7u
#define BLOCK_CYCLES (BOARD_CORE_HZ / 16000u * SOUND_BLOCK)

/* Semihosting for AArch32, "Semihosting operations". */
#define SYS_OPEN   0x01
#define SYS_WRITE0 0x04
#define SYS_WRITE  0x05
#define SYS_READ   0x06
#define SYS_EXIT   0x18
#define EXIT_OK    0x20026
#define READ_BYTES 1
#define WRITE      4
#define WRITE_ALL  5 /* bytes */

extern audio_stream_t audio;
extern uint16_t sound_bits[];
extern int16_t sound_samples[];

/* The blocks of addresses, of 1 KiB each, that the program touches. */
static const uint32_t pages[] = {0x40003800u, 0x40003c00u, 0x40005400u, 0x40007000u, 0x40020000u, 0x40020400u,
                                 0x40020800u, 0x40020c00u, 0x40023800u, 0x40023c00u, 0x40026000u};
static volatile uint32_t cells[sizeof pages / sizeof pages[0]][256];
static uint32_t mic_halves, dac_halves;
static int input_file, output_file;
static bool mic_ran;

static int semihosted(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int opened(const char *name, uintptr_t mode) {
    const uintptr_t arguments[] = {(uintptr_t)name, mode, strlen(name)};
    return semihosted(SYS_OPEN, arguments);
}

/* Returns the bytes that were not transferred. */
static int transferred(int operation, int file, void *bytes, uint32_t count) {
    const uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)bytes, count};
    return semihosted(operation, arguments);
}

static volatile uint32_t *cell(uint32_t address) {
    for (uint32_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (address - pages[i] < 0x400u) {
            return &cells[i][(address - pages[i]) / 4u];
        }
    }
    return (volatile uint32_t *)(uintptr_t)address; /* the core's own */
}

/* A ready bit stands `shift` bits above its switch. */
static void follow(uint32_t address, uint32_t switches, uint32_t shift) {
    volatile uint32_t *reg = cell(address);
    *reg = (*reg & ~(switches << shift)) | (*reg & switches) << shift;
}

static bool runs(uint32_t number) { return (*cell(DMA_STREAM(number)) & DMA_ENABLE) != 0u; }

/* The words that a stream has left of its buffer: SysTick's counter falls as it does. */
static uint32_t words_left(uint32_t halves, uint32_t half_words) {
    const uint32_t of_half = SYST_CVR / (BLOCK_CYCLES / half_words) + 1u;
    return (of_half > half_words ? half_words : of_half) + (halves % 2u == 0u ? half_words : 0u);
}

/* What the part would do by itself since the last access. */
static void settle(void) {
    follow(0x40023800u, 1u << 16 | 1u << 24 | 1u << 26, 1u); /* HSEON, PLLON and PLLI2SON */
    follow(0x40023808u, 3u, 2u);                             /* SW and SWS */
    *cell(0x40007004u) |= 1u << 14;                          /* VOSRDY */
    *cell(0x40005414u) = SR1_SB | SR1_ADDR | SR1_BTF | SR1_RXNE | SR1_TXE;
    *cell(DMA1) &= ~*cell(DMA1 + 0x08u);
    *cell(DMA1 + 0x08u) = 0u;
    *cell(DMA1 + 0x04u) &= ~*cell(DMA1 + 0x0cu);
    *cell(DMA1 + 0x0cu) = 0u;
    if (runs(5u) && SYST_CSR == 0u) {
        input_file = opened("sound.pdm", READ_BYTES);
        output_file = opened("sound.raw", WRITE_ALL);
        SYST_RVR = BLOCK_CYCLES - 1u;
        SYST_CVR = 0u;
        SYST_CSR = SYST_ENABLE;
    }
}

volatile uint32_t *stand_in(uint32_t address) {
    uint32_t masked;

    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(masked)::"memory"); /* SysTick writes the same cells */
    settle();
    if (address == 0x40005410u) {
        *cell(address) = 0xe0u; /* the DAC's number, for a read; a write replaces it */
    } else if (address == DMA_STREAM(3u) + 4u && runs(3u)) {
        *cell(address) = words_left(mic_halves, SOUND_BLOCK * SOUND_RATIO / 16u);
    } else if (address == DMA_STREAM(5u) + 4u && runs(5u)) {
        *cell(address) = words_left(dac_halves, 2u * SOUND_BLOCK);
    }
    __asm__ volatile("msr primask, %0" ::"r"(masked) : "memory");
    return cell(address);
}

static void print(const char *name, uint32_t value) {
    char digits[12] = "         0\n";

    for (char *digit = digits + 9; value > 0u; value /= 10u) {
        *digit-- = (char)('0' + value % 10u);
    }
    (void)semihosted(SYS_WRITE0, name);
    (void)semihosted(SYS_WRITE0, digits);
}

static void end(void) {
    const audio_counts_t counts = audio_counts(&audio);

    print("hops", counts.hops);
    print("lost", counts.lost);
    print("skipped", counts.skipped);
    print("underruns", counts.underruns);
    print("lag", audio_lag(&audio));
    print("latency", audio_latency(&audio));
    (void)semihosted(SYS_EXIT, (const void *)EXIT_OK);
}

/* A block has passed. The microphone starts with the block after the one in which it was switched on. */
void systick_irq(void) {
    const uint32_t bytes = SOUND_BLOCK * SOUND_RATIO / 8u;

    if (mic_ran) {
        if (transferred(SYS_WRITE, output_file, sound_samples + dac_halves % 2u * 2u * SOUND_BLOCK, SOUND_BLOCK * 4u) !=
                0 ||
            transferred(SYS_READ, input_file, (uint8_t *)sound_bits + mic_halves % 2u * bytes, bytes) != 0) {
            end();
        }
        *cell(DMA1) |= mic_halves++ % 2u == 0u ? STREAM_3_HALF : STREAM_3_FULL;
        NVIC_ISPR0 = 1u << 14;
    }
    *cell(DMA1 + 0x04u) |= dac_halves++ % 2u == 0u ? STREAM_5_HALF : STREAM_5_FULL;
    if ((*cell(DMA_STREAM(5u)) & DMA_HALF_IRQ) != 0u) {
        NVIC_ISPR0 = 1u << 16;
    }
    mic_ran = runs(3u);
}
