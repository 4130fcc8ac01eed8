/* The arithmetic of SPEC.md, 2. Every result fits by the bounds of SPEC.md, 7. */
#ifndef BLSH_FIXED_H
#define BLSH_FIXED_H

#include <stdint.h>

/* The one place that decides what inline assembler may use. It asks for the instruction set that is compiled for:
 * __ARM_ARCH_ISA_THUMB says what the core could run, also where ARM instructions are made for it. With BLSH_NO_ASM there is
 * no inline assembler at all, only C and Helium's intrinsics; every result stays the same. */
#if defined(__thumb__) && !defined(__thumb2__)
#define BLSH_THUMB1 1
#endif
#if !defined(BLSH_NO_ASM)
#if defined(BLSH_THUMB1)
#if __ARM_ARCH >= 6
#define BLSH_ASM_THUMB1 1 /* M0, M23: SXTH and UXTH */
#endif
#elif defined(__arm__)
#if defined(__ARM_FEATURE_DSP)
#define BLSH_ASM_HALVES 1 /* SMULWB, SMULWT: a word by one half of another, in one instruction */
#endif
#if defined(__ARM_FEATURE_SIMD32)
#define BLSH_ASM_DUAL 1 /* SMLAD, SXTB16, PKHBT: two halves of a word at once */
#endif
#if defined(__ARM_FEATURE_SAT)
#define BLSH_ASM_SATURATE 1 /* SSAT */
#endif
#if defined(__thumb2__)
#define BLSH_ASM_PAIRS 1 /* LDRD and STRD of any two registers; ARM instructions take neighbours only */
#endif
#if defined(__ARM_FEATURE_MVE)
#define BLSH_ASM_HELIUM 1
#endif
#endif
#endif

#if defined(BLSH_THUMB1)
#define BLSH_SHORT_MULTIPLY 1 /* no product of more than 32 bits; a host may define it to test that path */
#endif

/* Before a loop whose overhead counts. */
#if defined(__GNUC__) && !defined(__clang__)
#define BLSH_PRAGMA(text) _Pragma(#text)
#define BLSH_UNROLL(times) BLSH_PRAGMA(GCC unroll times)
#else
#define BLSH_UNROLL(times)
#endif

/* A constant factor as the compiler must not know it: for M0 it would make sums and shifts of it, many times as slow as
 * the multiplier of every M0 that takes one cycle. */
static inline int32_t blsh_factor(int32_t constant) {
#if defined(BLSH_SHORT_MULTIPLY) && !defined(BLSH_NO_ASM)
    __asm__("" : "+r"(constant));
#endif
    return constant;
}

/* value / 2^bits, rounded half up; 0 <= bits <= 29 */
static inline int32_t blsh_rounded_shift(int32_t value, unsigned bits) {
    return (value + ((INT32_C(1) << bits) >> 1)) >> bits;
}

/* value / 2^bits, floor, saturated to int16; 1 <= bits <= 31, and a constant */
#if defined(BLSH_ASM_SATURATE)
#define blsh_saturated_shift(value, bits) (__extension__({ \
    int32_t blsh_result_; \
    __asm__("ssat %0, #16, %1, asr %2" : "=r"(blsh_result_) : "r"(value), "I"(bits)); \
    (int16_t)blsh_result_; \
}))
#else
static inline int16_t blsh_saturated_shift(int32_t value, unsigned bits) {
    const int32_t shifted = value >> bits;
    return (int16_t)(shifted > INT16_MAX ? INT16_MAX : shifted < INT16_MIN ? INT16_MIN : shifted);
}
#endif

/* value * 2^left; a negative `left` divides and rounds half up */
static inline int32_t blsh_shifted(int32_t value, int32_t left) {
    return left >= 0 ? value * (INT32_C(1) << left) : blsh_rounded_shift(value, (unsigned)-left);
}

/* Two int16 factors in a word, such as cosine and sine of one angle. */
typedef uint32_t blsh_factors_t;

static inline int32_t blsh_low_factor(blsh_factors_t factors) { return (int16_t)(factors & 0xffffu); }
static inline int32_t blsh_high_factor(blsh_factors_t factors) { return (int32_t)factors >> 16; }

/* value * factor / 2^16, floor; `factor` fits int16: the one multiplication of the transforms */
static inline int32_t blsh_mul_q16(int32_t value, int32_t factor) {
#if defined(BLSH_ASM_HALVES)
    int32_t product;
    __asm__("smulwb %0, %1, %2" : "=r"(product) : "r"(value), "r"(factor));
    return product;
#elif defined(BLSH_SHORT_MULTIPLY)
    return (value >> 16) * factor + (((value & 0xffff) * factor) >> 16);
#else
    return (int32_t)(((int64_t)value * factor) >> 16);
#endif
}

/* value * the low factor / 2^16, floor */
static inline int32_t blsh_mul_low(int32_t value, blsh_factors_t factors) {
#if defined(BLSH_ASM_HALVES)
    int32_t product;
    __asm__("smulwb %0, %1, %2" : "=r"(product) : "r"(value), "r"(factors));
    return product;
#elif defined(BLSH_SHORT_MULTIPLY)
    return blsh_mul_q16(value, blsh_low_factor(factors));
#else
    return (int32_t)(((int64_t)value * (int32_t)(factors << 16)) >> 32);
#endif
}

/* value * the high factor / 2^16, floor */
static inline int32_t blsh_mul_high(int32_t value, blsh_factors_t factors) {
#if defined(BLSH_ASM_HALVES)
    int32_t product;
    __asm__("smulwt %0, %1, %2" : "=r"(product) : "r"(value), "r"(factors));
    return product;
#elif defined(BLSH_SHORT_MULTIPLY)
    return blsh_mul_q16(value, blsh_high_factor(factors));
#else
    return (int32_t)(((int64_t)value * (int32_t)(factors & 0xffff0000u)) >> 32);
#endif
}

/* sum + value * the high factor / 2^16, the product floored */
static inline int32_t blsh_add_mul_high(int32_t sum, int32_t value, blsh_factors_t factors) {
#if defined(BLSH_ASM_HALVES)
    __asm__("smlawt %0, %1, %2, %0" : "+r"(sum) : "r"(value), "r"(factors));
    return sum;
#else
    return sum + blsh_mul_high(value, factors);
#endif
}

/* bits needed to write `value`; 0 for 0 */
static inline int32_t blsh_bit_length(uint32_t value) {
    return value == 0u ? 0 : 32 - (int32_t)__builtin_clz(value);
}

/* floor of the square root */
uint32_t blsh_floor_sqrt32(uint32_t value);
uint32_t blsh_floor_sqrt64(uint64_t value);

#endif
