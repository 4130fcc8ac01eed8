// SPDX-License-Identifier: Apache-2.0
/* For the tests of the HAL and of the virtual boards: sends back what it receives. A zero byte is an escape: the
 * byte after it is a command (see command()), and what is none is answered by a single zero. */
#include <stdint.h>

#include "hal.h"

static void send_u32(uint32_t value) {
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    hal_write(bytes, sizeof bytes);
}

void app_fault(const uint32_t stacked[8], uint32_t cfsr, uint32_t bfar, bool watchdog) {
    (void)watchdog;
    send_u32(stacked[6]);
    send_u32(cfsr);
    send_u32(bfar);
    hal_reset();
}

/* Long enough for the ring to fill behind it, so that reception is held back. */
static void dawdle(void) {
    uint32_t start = hal_ticks();

    while (hal_ticks() - start < hal_tick_hz() / 2u) {
    }
}

/* The ticks of a fixed piece of work. */
static uint32_t measured_loop(void) {
    uint32_t saved = hal_irq_disable();
    uint32_t start = hal_ticks();
    uint32_t spent;

    for (volatile uint32_t i = 0; i < 10000u; i++) {
    }
    spent = hal_ticks() - start;
    hal_irq_restore(saved);
    return spent;
}

static void __attribute__((noinline)) use_stack(uint32_t depth) {
    volatile uint32_t frame[64];

    frame[0] = depth;
    if (depth > 0u) {
        use_stack(depth - 1u);
    }
    (void)frame[0];
}

static void command(uint8_t code) {
    static const uint8_t zero;

    switch (code) {
    case 'w':
        dawdle();
        break;
    case 'q':
        send_u32(hal_reset_cause());
        send_u32(hal_overruns());
        send_u32(hal_stack_bytes_used());
        break;
    case 't':
        send_u32(hal_ticks());
        break;
    case 'm':
        send_u32(measured_loop());
        break;
    case 's':
        use_stack(32u);
        break;
    case 'r':
        hal_reset();
    case 'f':
        (void)*(volatile uint32_t *)0xf0000000u;
        break;
    case 'u':
        __asm__ volatile("udf #0");
        break;
    default:
        hal_write(&zero, 1u);
        break;
    }
}

int main(void) {
    static uint8_t received[512];
    int escaped = 0;

    hal_init();
    for (;;) {
        size_t count;

        hal_idle();
        count = hal_read(received, sizeof received);
        for (size_t i = 0; i < count; i++) {
            if (escaped) {
                escaped = 0;
                command(received[i]);
            } else if (received[i] == 0u) {
                escaped = 1;
            } else {
                hal_write(&received[i], 1u);
            }
        }
    }
}
