// SPDX-License-Identifier: Apache-2.0
/* I2S both ways in one state machine: it makes the clocks, gives a bit and takes a bit. So both directions have one rate,
 * and neither can slip against the other. RP2040 data sheet, 3.4 (instructions) and 3.5.4 (autopull and autopush). */
#ifndef I2S_PIO_H
#define I2S_PIO_H

#include <stdint.h>

/* Side-set takes two of the five bits beside an opcode: word select in the upper, bit clock in the lower. */
#define SIDE(word_select, bit_clock) ((word_select) << 12 | (bit_clock) << 11)
#define DELAY(cycles)                ((cycles) << 8)
#define OUT_PIN                      0x6001u
#define IN_PIN                       0x4001u
#define SET_X(value)                 (0xe020u | (value))
#define SET_PINDIRS(value)           (0xe080u | (value))
#define JMP(place)                   (0x0000u | (place))
#define JMP_X_DOWN(place)            (0x0040u | (place)) /* if x is not 0; x counts down in any case */

/* A bit takes five cycles: three with its clock low, at whose start the data change, and two with it high, at whose start
 * they are taken. Word select changes with the last bit of a slot, which is a bit before the next slot's first. */
#define I2S_CYCLES_A_BIT 5u
#define I2S_SLOT_BITS    32u
#define I2S_LEFT         0u
#define I2S_RIGHT        6u
#define I2S_ENTRY        11u
#define I2S_INSTRUCTIONS 12u

static const uint16_t i2s_program[I2S_INSTRUCTIONS] = {
    /* left:  */
    OUT_PIN | SIDE(0u, 0u) | DELAY(2u), /*  0  31 bits                */
    IN_PIN | SIDE(0u, 1u),              /*  1                         */
    JMP_X_DOWN(I2S_LEFT) | SIDE(0u, 1u),
    OUT_PIN | SIDE(1u, 0u) | DELAY(2u), /*  3  the last: select right */
    IN_PIN | SIDE(1u, 1u),
    SET_X(I2S_SLOT_BITS - 2u) | SIDE(1u, 1u),
    /* right: */
    OUT_PIN | SIDE(1u, 0u) | DELAY(2u), /*  6  31 bits                */
    IN_PIN | SIDE(1u, 1u),
    JMP_X_DOWN(I2S_RIGHT) | SIDE(1u, 1u),
    OUT_PIN | SIDE(0u, 0u) | DELAY(2u), /*  9  the last: select left  */
    IN_PIN | SIDE(0u, 1u),
    SET_X(I2S_SLOT_BITS - 2u) | SIDE(0u, 1u), /* 11, the entry; then from 0 */
};

#endif
