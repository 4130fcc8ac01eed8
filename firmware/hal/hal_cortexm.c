// SPDX-License-Identifier: Apache-2.0
/* The half of the HAL that is the same on every Cortex-M: receive ring, sleep, reset, stack mark. */
#include "hal.h"
#include "hal_port.h"

#define NVIC_ENABLE(irq)  HAL_REGISTER(0xe000e100u + 4u * ((irq) / 32u))
#define NVIC_DISABLE(irq) HAL_REGISTER(0xe000e180u + 4u * ((irq) / 32u))
#define NVIC_PEND(irq)    HAL_REGISTER(0xe000e200u + 4u * ((irq) / 32u))
#define IRQ_BIT(irq)      (1u << ((irq) % 32u))
#define SCB_AIRCR         HAL_REGISTER(0xe000ed0cu)
#define AIRCR_RESET       0x05fa0004u /* the key and SYSRESETREQ */

#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

/* One writer, the interrupt; one reader, the main loop. Both indices run freely and wrap at 2^32. */
_Static_assert((BOARD_RECEIVE_RING_BYTES & (BOARD_RECEIVE_RING_BYTES - 1u)) == 0u, "the ring is indexed by masking");
static struct {
    volatile uint32_t head; /* bytes put */
    volatile uint32_t tail; /* bytes taken */
    volatile uint32_t lost;
    volatile bool stalled;
    uint8_t bytes[BOARD_RECEIVE_RING_BYTES];
} ring;

/* What hal_reset() leaves for the next start. Noise after power-on will not be a value and its complement. */
#define NOTE_SEED 0x626c7368u
static struct {
    uint32_t value;
    uint32_t complement;
} note __attribute__((section(".noinit")));
static uint32_t reset_cause;

#ifdef BOARD_CRYSTAL_HZ /* its clock driver has the crystal watched, and no watchdog of such a part warns */
#define RESET_OF_NMI HAL_RESET_CLOCK
#else
#define RESET_OF_NMI HAL_RESET_WATCHDOG
#endif

static uint32_t take_note(void) {
    uint32_t cause = note.value - NOTE_SEED;
    bool valid = note.value == ~note.complement;

    note.value = 0u;
    note.complement = 0u;
    return valid && cause <= HAL_RESET_CLOCK ? cause : HAL_RESET_POWER_ON;
}

void hal_init(void) {
    reset_cause = take_note();
    if (hal_port_reset_by_watchdog()) {
        reset_cause = HAL_RESET_WATCHDOG;
    }
    hal_clock_init();
    hal_port_init();
    NVIC_ENABLE(BOARD_UART_RX_IRQ) = IRQ_BIT(BOARD_UART_RX_IRQ);
}

bool hal_ring_full(void) { return ring.head - ring.tail == BOARD_RECEIVE_RING_BYTES; }

void hal_ring_put(uint8_t byte) {
    uint32_t head = ring.head;

    ring.bytes[head % BOARD_RECEIVE_RING_BYTES] = byte;
    COMPILER_BARRIER(); /* the byte before the index that publishes it */
    ring.head = head + 1u;
}

void hal_ring_stall(void) {
    ring.stalled = true;
    NVIC_DISABLE(BOARD_UART_RX_IRQ) = IRQ_BIT(BOARD_UART_RX_IRQ);
}

void hal_ring_lost(void) { ring.lost++; }

/* The interrupt is pended by hand: its handler may have cleared what the UART raised, and left the byte there. */
static void resume_reception(void) {
    ring.stalled = false; /* before enabling: the interrupt may set it again at once */
    NVIC_PEND(BOARD_UART_RX_IRQ) = IRQ_BIT(BOARD_UART_RX_IRQ);
    NVIC_ENABLE(BOARD_UART_RX_IRQ) = IRQ_BIT(BOARD_UART_RX_IRQ);
}

size_t hal_read(uint8_t *dst, size_t max) {
    uint32_t tail = ring.tail;
    size_t ready = ring.head - tail;
    size_t count = ready < max ? ready : max;

    COMPILER_BARRIER(); /* the index before the bytes that it publishes */
    for (size_t i = 0; i < count; i++) {
        dst[i] = ring.bytes[(tail + (uint32_t)i) % BOARD_RECEIVE_RING_BYTES];
    }
    COMPILER_BARRIER(); /* the bytes before their room is given back */
    ring.tail = tail + (uint32_t)count;
    if (count > 0u && ring.stalled) {
        resume_reception();
    }
    return count;
}

/* A LED is lit while the core works: its brightness is the load. */
static void show_busy(bool busy) {
#ifdef BOARD_LED_PIN
    hal_port_led(busy);
#else
    (void)busy;
#endif
}

void hal_idle(void) {
    show_busy(false);
    while (ring.head == ring.tail) {
        uint32_t saved = hal_irq_disable();

        if (ring.head == ring.tail) {
            __asm__ volatile("wfi" ::: "memory"); /* a pending interrupt wakes it though interrupts are masked */
        }
        hal_irq_restore(saved);
        __asm__ volatile("isb" ::: "memory"); /* the interrupt is taken before the ring is looked at again */
    }
    show_busy(true);
}

uint32_t hal_receive_ring_bytes(void) { return BOARD_RECEIVE_RING_BYTES; }

uint32_t hal_overruns(void) { return ring.lost; }

const char *hal_core_name(void) { return BOARD_CORE; }

const char *hal_board_name(void) { return BOARD_NAME; }

uint32_t hal_irq_disable(void) {
    uint32_t saved;

    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(saved)::"memory");
    return saved;
}

void hal_irq_restore(uint32_t saved) { __asm__ volatile("msr primask, %0" ::"r"(saved) : "memory"); }

uint32_t hal_reset_cause(void) { return reset_cause; }

void hal_leave_note(void) {
    uint32_t exception = hal_exception();

    note.value = NOTE_SEED + (uint32_t)(exception == EXCEPTION_NMI     ? RESET_OF_NMI
                                        : exception == EXCEPTION_FAULT ? HAL_RESET_FAULT
                                                                       : HAL_RESET_SOFTWARE);
    note.complement = ~note.value;
}

void hal_reset(void) {
    hal_leave_note();
    __asm__ volatile("dsb" ::: "memory"); /* the note is in RAM before the reset takes hold */
    SCB_AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

uint32_t hal_stack_bytes_used(void) {
    const volatile uint32_t *mark = _stack_limit;

    while (mark < _estack && *mark == STACK_PAINT) {
        mark++;
    }
    return (uint32_t)((uintptr_t)_estack - (uintptr_t)mark);
}

bool hal_stack_overflowed(void) {
    const volatile uint32_t *guard = _stack_limit;
    uint32_t changed = 0u;

    for (uint32_t i = 0u; i < STACK_GUARD_WORDS; i++) {
        changed |= guard[i] ^ STACK_PAINT;
    }
    return changed != 0u;
}
