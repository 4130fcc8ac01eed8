// SPDX-License-Identifier: Apache-2.0
/* The binary logarithm of SPEC.md, 5 and 6.4, by table. */
#ifndef BLSH_LOG_H
#define BLSH_LOG_H

#include "blsh_fixed.h"
#include "blsh_tables.h"

/* The logarithm of value / 2^exponent, in steps of 1/32, above the origin; 0 for less, and for a value of 0. */
static inline int32_t blsh_log_level(uint32_t value, int32_t exponent, int32_t origin) {
    if (value == 0u) {
        return 0;
    }
    const int32_t bits = blsh_bit_length(value);
    const uint32_t raised = value << (32 - bits) << 1; /* without the leading one */
    const int32_t level = (bits - 1 - exponent) * (1 << BLSH_LOG_FRACTION_BITS) +
                          blsh_log2_q5[raised >> (32 - BLSH_LOG_INDEX_BITS)] - origin;
    return level > 0 ? level : 0;
}

#endif
