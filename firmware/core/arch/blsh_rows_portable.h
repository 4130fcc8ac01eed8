// SPDX-License-Identifier: Apache-2.0
/* blsh_rows.h in C: two sums in a word, of bytes that are raised by 128 and so have no sign. */
#ifndef BLSH_ROWS_PORTABLE_H
#define BLSH_ROWS_PORTABLE_H

#include "blsh_pairs.h"

#define BLSH_EVEN_BYTES   0x00ff00ffu
#define BLSH_RAISED_BYTES 0x80808080u

/* Sums of eight bytes of each row: of bytes 0 and 2 in sum[0], 1 and 3 in sum[1], 4 and 6 in sum[2], 5 and 7 in
 * sum[3]. */
#if defined(BLSH_ASM_UPPER)

#define BLSH_ADD_WORD(at, even_sum, odd_sum)                                                                           \
    "ldr %[word], [%[place], #" #at "]\n\teors %[word], %[raised]\n\tmovs %[bytes], %[word]\n\t"                       \
    "lsrs %[word], %[word], #8\n\tands %[bytes], %[even]\n\tands %[word], %[even]\n\t"                                 \
    "add %[" #even_sum "], %[bytes]\n\tadd %[" #odd_sum "], %[word]\n\t"

/* With the sums in the upper registers, as in blsh_dot_portable.h. */
static inline void blsh_add_eight(const int8_t *first, const uint16_t *row, const uint16_t *last, uint32_t sum[4]) {
    const uint32_t even = BLSH_EVEN_BYTES, raised = BLSH_RAISED_BYTES;
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, place, word, bytes;
    __asm__(".syntax unified\n"
            "1:\n\t"
            "ldrh %[place], [%[row]]\n\t"
            "adds %[place], %[place], %[first]\n\t" /* */
            BLSH_ADD_WORD(0, a, b)                  /* bytes 0 to 3 */
            BLSH_ADD_WORD(4, c, d)                  /* bytes 4 to 7 */
            "adds %[row], #2\n\t"
            "cmp %[row], %[last]\n\t"
            "bne 1b"
            : [a] "+h"(sum0), [b] "+h"(sum1), [c] "+h"(sum2), [d] "+h"(sum3), [row] "+l"(row), [place] "=&l"(place),
              [word] "=&l"(word), [bytes] "=&l"(bytes)
            : [first] "l"(first), [last] "h"(last), [even] "l"(even), [raised] "l"(raised)
            : "cc", "memory");
    sum[0] = sum0;
    sum[1] = sum1;
    sum[2] = sum2;
    sum[3] = sum3;
}

#else

static inline void blsh_add_eight(const int8_t *first, const uint16_t *row, const uint16_t *last, uint32_t sum[4]) {
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    do {
        uint32_t low, high;
        blsh_load_pair(first + *row++, &low, &high);
        low ^= BLSH_RAISED_BYTES;
        sum0 += low & BLSH_EVEN_BYTES;
        sum1 += low >> 8 & BLSH_EVEN_BYTES;
        high ^= BLSH_RAISED_BYTES;
        sum2 += high & BLSH_EVEN_BYTES;
        sum3 += high >> 8 & BLSH_EVEN_BYTES;
        BLSH_IN_REGISTERS(sum0, sum1, sum2, sum3);
    } while (row < last);
    sum[0] = sum0;
    sum[1] = sum1;
    sum[2] = sum2;
    sum[3] = sum3;
}

#endif

static inline void blsh_add_rows(int32_t *sums, const int8_t *first, const uint16_t *row, unsigned count,
                                 unsigned bands) {
    const int32_t raised = 128 * (int32_t)count;
    for (const int8_t *const end = first + bands; first < end; first += 8, sums += 8) {
        uint32_t sum[4];
        blsh_add_eight(first, row, row + count, sum);
        for (unsigned i = 0; i < 2u; i++) {
            const uint32_t even = sum[2u * i], odd = sum[2u * i + 1u];
            sums[4u * i] += (int32_t)(even & 0xffffu) - raised;
            sums[4u * i + 1u] += (int32_t)(odd & 0xffffu) - raised;
            sums[4u * i + 2u] += (int32_t)(even >> 16) - raised;
            sums[4u * i + 3u] += (int32_t)(odd >> 16) - raised;
        }
    }
}

#endif
