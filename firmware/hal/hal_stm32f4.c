// SPDX-License-Identifier: Apache-2.0
/* STM32F4: any USART, IWDG and, where the core's cycle counter does not serve, TIM2. Pins are numbered 0xa0 for PA0 to
 * 0xff for PF15. */
#include "hal.h"
#include "hal_port.h"

#if BOARD_UART_BASE == 0x40011000u /* USART1 */
#define USART_ENABLE_REGISTER RCC_APB2ENR
#define USART_ENABLE          (1u << 4)
#define USART_FUNCTION        7u
#elif BOARD_UART_BASE == 0x40011400u /* USART6 */
#define USART_ENABLE_REGISTER RCC_APB2ENR
#define USART_ENABLE          (1u << 5)
#define USART_FUNCTION        8u
#elif BOARD_UART_BASE == 0x40004400u /* USART2 */
#define USART_ENABLE_REGISTER RCC_APB1ENR
#define USART_ENABLE          (1u << 17)
#define USART_FUNCTION        7u
#elif BOARD_UART_BASE == 0x40004800u /* USART3 */
#define USART_ENABLE_REGISTER RCC_APB1ENR
#define USART_ENABLE          (1u << 18)
#define USART_FUNCTION        7u
#else
#error "this driver knows USART1, 2, 3 and 6: see uart base in boards.toml"
#endif

#define RCC_AHB1ENR HAL_REGISTER(0x40023830u)
#define RCC_APB1ENR HAL_REGISTER(0x40023840u)
#define RCC_APB2ENR HAL_REGISTER(0x40023844u)

#define PORT(pin)       ((pin) / 16u - 0xau) /* 0 for A */
#define GPIO_BASE(pin)  (0x40020000u + 0x400u * PORT(pin))
#define GPIO_MODER(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x00u)
#define GPIO_PUPDR(pin) HAL_REGISTER(GPIO_BASE(pin) + 0x0cu)
#define GPIO_BSRR(pin)  HAL_REGISTER(GPIO_BASE(pin) + 0x18u)
#define GPIO_AFR(pin)   HAL_REGISTER(GPIO_BASE(pin) + 0x20u + 4u * ((pin) % 16u / 8u))
#define MODE_OUTPUT     1u
#define MODE_ALTERNATE  2u
#define PULL_UP         1u
_Static_assert(PORT(BOARD_UART_TX_PIN) < 6u && PORT(BOARD_UART_RX_PIN) < 6u, "pins are 0xa0 to 0xff");

#define USART_SR   HAL_REGISTER(BOARD_UART_BASE + 0x00u)
#define USART_DR   HAL_REGISTER(BOARD_UART_BASE + 0x04u)
#define USART_BRR  HAL_REGISTER(BOARD_UART_BASE + 0x08u)
#define USART_CR1  HAL_REGISTER(BOARD_UART_BASE + 0x0cu)
#define SR_OVERRUN (1u << 3)
#define SR_RXNE    (1u << 5)
#define SR_TC      (1u << 6)
#define SR_TXE     (1u << 7)
#define CR1_RE     (1u << 2)
#define CR1_TE     (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define CR1_UE     (1u << 13)

/* BOARD_TICK_COUNTER is CNT of a timer of 32 bits, or the core's. */
#ifndef BOARD_TICK_IS_DWT
#define TIM_BASE    (BOARD_TICK_COUNTER - 0x24u)
#define TIM_CR1     HAL_REGISTER(TIM_BASE + 0x00u)
#define TIM_EGR     HAL_REGISTER(TIM_BASE + 0x14u)
#define TIM_PSC     HAL_REGISTER(TIM_BASE + 0x28u)
#define TIM_ARR     HAL_REGISTER(TIM_BASE + 0x2cu)
#define ENABLE_TIM2 (1u << 0)
_Static_assert(TIM_BASE == 0x40000000u, "this driver knows TIM2 alone");

static void start_timer(void) {
    RCC_APB1ENR |= ENABLE_TIM2;
    (void)RCC_APB1ENR; /* a peripheral may be touched two cycles after its clock is on */
    TIM_PSC = 0u;
    TIM_ARR = 0xffffffffu;
    TIM_EGR = 1u; /* takes the prescaler over */
    TIM_CR1 = 1u;
}
#endif

/* Once started it cannot be stopped, nor does it stand still in sleep: SysTick feeds it while nothing is worked on. */
#define RCC_CSR            HAL_REGISTER(0x40023874u)
#define CSR_CLEAR_FLAGS    (1u << 24)
#define CSR_WATCHDOG_RESET (1u << 29)
#define IWDG_KR            HAL_REGISTER(0x40003000u)
#define IWDG_PR            HAL_REGISTER(0x40003004u)
#define IWDG_RLR           HAL_REGISTER(0x40003008u)
#define DBGMCU_APB1_FZ     HAL_REGISTER(0xe0042008u)
#define STOP_IWDG          (1u << 12) /* while a debugger holds the core */
#define KEY_START          0xccccu
#define KEY_UNLOCK         0x5555u
#define KEY_FEED           0xaaaau
#define PRESCALER_256      6u
#define IWDG_RELOAD        (HAL_WATCHDOG_MS * (32000u / 256u) / 1000u)
_Static_assert(IWDG_RELOAD >= 1u && IWDG_RELOAD <= 0xfffu, "the watchdog cannot wait that long");

#define SYST_CSR             HAL_REGISTER(0xe000e010u)
#define SYST_RVR             HAL_REGISTER(0xe000e014u)
#define SYST_CVR             HAL_REGISTER(0xe000e018u)
#define SYST_ENABLE_WITH_IRQ 7u        /* of the core's clock */
#define SYST_LONGEST         0xffffffu /* a second or less: the watchdog waits longer */

static volatile bool working; /* on a request */

static void start_watchdog(void) {
    DBGMCU_APB1_FZ |= STOP_IWDG;
    IWDG_KR = KEY_START;
    IWDG_KR = KEY_UNLOCK;
    IWDG_PR = PRESCALER_256;
    IWDG_RLR = IWDG_RELOAD;
    SYST_RVR = SYST_LONGEST;
    SYST_CVR = 0u;
    SYST_CSR = SYST_ENABLE_WITH_IRQ;
}

void hal_systick_irq(void) {
    if (!working) {
        IWDG_KR = KEY_FEED;
    }
}

void hal_watchdog_watch(void) {
    working = true;
    IWDG_KR = KEY_FEED;
}

void hal_watchdog_rest(void) {
    working = false;
    IWDG_KR = KEY_FEED;
}

bool hal_port_reset_by_watchdog(void) {
    const uint32_t status = RCC_CSR;

    RCC_CSR = status | CSR_CLEAR_FLAGS; /* they add up otherwise */
    return (status & CSR_WATCHDOG_RESET) != 0u;
}

static void set_mode(uint32_t pin, uint32_t mode) {
    const uint32_t two = 2u * (pin % 16u);

    RCC_AHB1ENR |= 1u << PORT(pin);
    (void)RCC_AHB1ENR;
    GPIO_MODER(pin) = (GPIO_MODER(pin) & ~(3u << two)) | (mode << two);
}

static void use_for_usart(uint32_t pin) {
    const uint32_t two = 2u * (pin % 16u);
    const uint32_t four = 4u * (pin % 8u);

    RCC_AHB1ENR |= 1u << PORT(pin);
    (void)RCC_AHB1ENR;
    GPIO_AFR(pin) = (GPIO_AFR(pin) & ~(0xfu << four)) | (USART_FUNCTION << four);
    GPIO_PUPDR(pin) = (GPIO_PUPDR(pin) & ~(3u << two)) | (PULL_UP << two); /* an open line reads as idle */
    set_mode(pin, MODE_ALTERNATE);
}

/* Sixteen samples to a bit, the divisor in sixteenths: together, the clock over the rate. */
_Static_assert(BOARD_UART_CLOCK_HZ / BOARD_UART_BAUD >= 16u && BOARD_UART_CLOCK_HZ / BOARD_UART_BAUD <= 0xfffeu,
               "the USART cannot make this rate of its clock");
static uint32_t baud_divider(void) { return (hal_clock_uart_hz() + BOARD_UART_BAUD / 2u) / BOARD_UART_BAUD; }

void hal_port_init(void) {
    start_watchdog();
    USART_ENABLE_REGISTER |= USART_ENABLE;
    use_for_usart(BOARD_UART_TX_PIN);
    use_for_usart(BOARD_UART_RX_PIN);
    USART_BRR = baud_divider();
    USART_CR1 = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
#ifdef BOARD_LED_PIN
    set_mode(BOARD_LED_PIN, MODE_OUTPUT);
    hal_port_led(true);
#endif
#ifndef BOARD_TICK_IS_DWT
    start_timer();
#endif
}

#ifdef BOARD_LED_PIN
void hal_port_led(bool lit) {
    const uint32_t bit = 1u << (BOARD_LED_PIN % 16u);

    GPIO_BSRR(BOARD_LED_PIN) = lit == (BOARD_LED_ACTIVE_LOW == 0u) ? bit : bit << 16; /* sets it; clears it */
}
#endif

void hal_rx_irq(void) {
    for (;;) {
        const uint32_t status = USART_SR;

        if ((status & SR_RXNE) == 0u) {
            return;
        }
        if (hal_ring_full()) {
            hal_ring_stall();
            return;
        }
        if ((status & SR_OVERRUN) != 0u) {
            hal_ring_lost(); /* cleared by reading the status, then the data */
        }
        hal_ring_put((uint8_t)USART_DR);
    }
}

void hal_write(const uint8_t *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        while ((USART_SR & SR_TXE) == 0u) {
        }
        USART_DR = src[i];
    }
    while ((USART_SR & SR_TC) == 0u) { /* on the wire: a reset may come next */
    }
}

uint32_t hal_ticks(void) { return HAL_REGISTER(BOARD_TICK_COUNTER); }
