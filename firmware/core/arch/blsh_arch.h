// SPDX-License-Identifier: Apache-2.0
/* The abilities of the core that is compiled for. This is the only place that asks the compiler; the other headers of
 * this folder choose by the macros defined here, and nothing outside this folder chooses at all.
 *
 *   BLSH_ARCH_MVE        Helium: eight vector registers of four words (M55, M85)
 *   BLSH_ARCH_DSP        two products of halves of a word at once (M4, M7, M33; ARMv6 and later)
 *   BLSH_ARCH_CLZ        an instruction that counts leading zeros (from M3 on)
 *   BLSH_SHORT_MULTIPLY  no product of more than 32 bits (M0, M23); a host may define it to run what those cores run
 *   BLSH_ASM_PAIRS       LDRD and STRD of any two registers; ARM instructions take neighbours only
 *   BLSH_ASM_THUMB1      M0, M23: a turn in seven registers
 *   BLSH_ASM_UPPER       M0, M23: sums in the upper registers, which gcc leaves alone with -Os
 *   BLSH_ASM_SATURATE    SSAT (from M3 on)
 *   BLSH_ASM_DSP         instructions of BLSH_ARCH_DSP that gcc has no intrinsic for
 *   BLSH_ASM_MVE         loops of Helium in eight registers, where the compiler would store some
 *
 * Those named BLSH_ASM_... are inline assembler. With BLSH_NO_ASM there is none, only C and intrinsics; every result
 * stays the same, bit for bit. Where nothing is defined the portable variants are taken, in plain C11. */
#ifndef BLSH_ARCH_H
#define BLSH_ARCH_H

#if !defined(__BYTE_ORDER__) || !defined(__ORDER_LITTLE_ENDIAN__)
#error "this compiler does not tell its byte order: define __BYTE_ORDER__ and __ORDER_LITTLE_ENDIAN__ as gcc does"
#endif

/* Ask for the instruction set that is compiled for: __ARM_ARCH_ISA_THUMB says what the core could run, also where ARM
 * instructions are made for it. */
#if defined(__thumb__) && !defined(__thumb2__)
#define BLSH_ARCH_THUMB1    1
#define BLSH_SHORT_MULTIPLY 1
#endif
#if defined(__ARM_FEATURE_MVE)
#define BLSH_ARCH_MVE 1
#endif
#if defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_DSP) && !defined(BLSH_ARCH_THUMB1)
#define BLSH_ARCH_DSP 1
#endif
#if !defined(BLSH_SHORT_MULTIPLY) && (!defined(__ARM_ARCH) || defined(__ARM_FEATURE_CLZ))
#define BLSH_ARCH_CLZ 1
#endif

#if !defined(BLSH_NO_ASM) && defined(__arm__)
#if defined(BLSH_ARCH_THUMB1)
#if __ARM_ARCH >= 6 /* SXTH and UXTH */
#define BLSH_ASM_THUMB1 1
#if !defined(__OPTIMIZE_SIZE__)
#define BLSH_ASM_UPPER 1
#endif
#endif
#else
#if defined(__thumb2__)
#define BLSH_ASM_PAIRS 1
#endif
#if defined(__ARM_FEATURE_SAT)
#define BLSH_ASM_SATURATE 1
#endif
#if defined(BLSH_ARCH_DSP)
#define BLSH_ASM_DSP 1
#endif
#if defined(BLSH_ARCH_MVE) && defined(__OPTIMIZE__) /* without, operands are stored: not enough registers are left */
#define BLSH_ASM_MVE 1
#endif
#endif
#endif

/* Before a loop whose overhead counts. */
#if defined(__GNUC__) && !defined(__clang__)
#define BLSH_PRAGMA(text)  _Pragma(#text)
#define BLSH_UNROLL(times) BLSH_PRAGMA(GCC unroll times)
#else
#define BLSH_UNROLL(times)
#endif

/* The statements before it are done before those behind it. Where many values are read, a compiler that reads ahead
 * wants more registers than there are, and stores them. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(BLSH_NO_ASM)
#define BLSH_IN_ORDER() __asm__ volatile("")
#else
#define BLSH_IN_ORDER() ((void)0)
#endif

/* Four sums are up to date, and in registers, before the statements behind it. A compiler that adds up products in an
 * order of its own keeps many of them at a time. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(BLSH_NO_ASM) && defined(__arm__)
#define BLSH_IN_REGISTERS(a, b, c, d) __asm__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d))
#else
#define BLSH_IN_REGISTERS(a, b, c, d) ((void)0)
#endif

/* A pointer to a place that lies on a word, though its type does not say so. */
#if defined(__GNUC__)
#define BLSH_ON_WORDS(pointer) __builtin_assume_aligned((pointer), 4)
#else
#define BLSH_ON_WORDS(pointer) (pointer)
#endif

#define BLSH_ALWAYS_INLINE static inline __attribute__((always_inline))
#define BLSH_NEVER_INLINE  __attribute__((noinline)) static

#endif
