// SPDX-License-Identifier: Apache-2.0
/* Our own stand-in for the header of CMSIS-Core that CMSIS-DSP includes: just the names that its real transforms use,
 * in terms of <arm_acle.h> and the compiler. For measuring beside ours only; nothing of CMSIS is in this repository. */
#ifndef BENCH_CMSIS_COMPILER_H
#define BENCH_CMSIS_COMPILER_H
#include <arm_acle.h>
#include <stdint.h>
#define __ASM                __asm
#define __INLINE             inline
#define __STATIC_INLINE      static inline
#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline
#define __ALIGNED(x)         __attribute__((aligned(x)))
#define __WEAK               __attribute__((weak))
#define __PACKED             __attribute__((packed))
#define __RESTRICT           __restrict
static inline uint8_t __CLZ(uint32_t v) { return v ? (uint8_t)__builtin_clz(v) : 32; }
#if defined(__ARM_FEATURE_SAT) || (__ARM_ARCH_ISA_THUMB == 2)
#define __SSAT(v, n) __ssat(v, n)
#define __USAT(v, n) __usat(v, n)
#else
static inline int32_t __SSAT(int32_t v, uint32_t n) {
    const int32_t m = (int32_t)((1u << (n - 1)) - 1);
    return v > m ? m : v < -1 - m ? -1 - m : v;
}
static inline uint32_t __USAT(int32_t v, uint32_t n) {
    const uint32_t m = (1u << n) - 1;
    return v < 0 ? 0 : (uint32_t)v > m ? m : (uint32_t)v;
}
#endif
#define __ROR(v, n) __ror(v, n)
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define I3(N, op)                                                                                                      \
    static inline uint32_t N(uint32_t a, uint32_t b) {                                                                 \
        uint32_t r;                                                                                                    \
        __asm__(op " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));                                                          \
        return r;                                                                                                      \
    }
#define I4(N, op)                                                                                                      \
    static inline uint32_t N(uint32_t a, uint32_t b, uint32_t c) {                                                     \
        uint32_t r;                                                                                                    \
        __asm__(op " %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));                                              \
        return r;                                                                                                      \
    }
I3(__QADD8, "qadd8")
I3(__QSUB8, "qsub8")
I3(__QADD16, "qadd16")
I3(__QSUB16, "qsub16")
I3(__SHADD16, "shadd16")
I3(__SHSUB16, "shsub16")
I3(__QASX, "qasx")
I3(__QSAX, "qsax")
I3(__SHASX, "shasx")
I3(__SHSAX, "shsax")
I3(__SMUSDX, "smusdx")
I3(__SMUADX, "smuadx")
I3(__SMUSD, "smusd")
I3(__SMUAD, "smuad")
I3(__SADD16, "sadd16")
I3(__SSUB16, "ssub16")
I3(__SXTAB16, "sxtab16")
I4(__SMLAD, "smlad")
I4(__SMLADX, "smladx")
I4(__SMLSDX, "smlsdx")
I4(__SMLSD, "smlsd")
I4(__SMMLA, "smmla")
static inline int32_t __QADD(int32_t a, int32_t b) {
    int32_t r;
    __asm__("qadd %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline int32_t __QSUB(int32_t a, int32_t b) {
    int32_t r;
    __asm__("qsub %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t __SXTB16(uint32_t a) {
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(a));
    return r;
}
static inline uint64_t __SMLALD(uint32_t a, uint32_t b, uint64_t c) {
    union {
        uint32_t w[2];
        uint64_t d;
    } u;
    u.d = c;
    __asm__("smlald %0, %1, %2, %3" : "+r"(u.w[0]), "+r"(u.w[1]) : "r"(a), "r"(b));
    return u.d;
}
static inline uint64_t __SMLALDX(uint32_t a, uint32_t b, uint64_t c) {
    union {
        uint32_t w[2];
        uint64_t d;
    } u;
    u.d = c;
    __asm__("smlaldx %0, %1, %2, %3" : "+r"(u.w[0]), "+r"(u.w[1]) : "r"(a), "r"(b));
    return u.d;
}
#define __PKHBT(a, b, n) ((((uint32_t)(a)) & 0xffffu) | (((uint32_t)(b) << (n)) & 0xffff0000u))
#define __PKHTB(a, b, n) ((((uint32_t)(a)) & 0xffff0000u) | (((uint32_t)(b) >> (n)) & 0xffffu))
#endif
#endif
