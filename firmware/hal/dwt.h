// SPDX-License-Identifier: Apache-2.0
/* The core's own cycle counter, which every Cortex-M3 and up may have. It stands still while the core sleeps. */
#ifndef BLSH_DWT_H
#define BLSH_DWT_H

#include "hal_port.h"

#define DWT_DEMCR  HAL_REGISTER(0xe000edfcu)
#define DWT_CTRL   HAL_REGISTER(0xe0001000u)
#define DWT_CYCCNT HAL_REGISTER(0xe0001004u)

#define DEMCR_TRACE (1u << 24)
#define CTRL_CYCCNT (1u << 0)

static inline void dwt_start(void) {
    DWT_DEMCR |= DEMCR_TRACE;
    DWT_CYCCNT = 0u;
    DWT_CTRL |= CTRL_CYCCNT;
}

#endif
