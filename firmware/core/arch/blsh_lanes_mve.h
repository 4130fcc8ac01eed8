// SPDX-License-Identifier: Apache-2.0
/* blsh_lanes.h by Helium: four words at a time. */
#ifndef BLSH_LANES_MVE_H
#define BLSH_LANES_MVE_H

#include <arm_mve.h>

#define BLSH_LANES 4u
typedef uint32x4_t blsh_lanes_t;

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return vld1q_u32(words); }
static inline blsh_lanes_t blsh_load_bytes(const uint8_t *bytes) { return vldrbq_u32(bytes); }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { vst1q_u32(words, lanes); }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return vmaxvq_u32(0u, lanes) != 0u; }
static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return vminvq_u32(UINT32_MAX, lanes); }

static inline blsh_lanes_t blsh_none(void) {
#if defined(BLSH_ASM_MVE) /* the compiler would load it, and keep it in one of eight registers */
    blsh_lanes_t none;
    __asm__ volatile("vmov.i32 %q0, #0" : "=w"(none));
    return none;
#else
    return vdupq_n_u32(0u);
#endif
}

#if UINTPTR_MAX == UINT32_MAX /* on every core with Helium: an address fits into a lane, and a cursor into a register */

typedef uint32x4_t blsh_cursor_t;

static inline blsh_cursor_t blsh_rows(const uint32_t *base, unsigned words, blsh_lanes_t row) {
    return vaddq_n_u32(vmulq_n_u32(row, 4u * words), (uint32_t)base);
}

static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return vldrwq_gather_offset_u32((const uint32_t *)offset, cursor);
}

#else /* on a host, with stand-ins for the intrinsics */

typedef struct {
    const char *base;
    uint32x4_t row; /* how many bytes behind `base` each row begins */
} blsh_cursor_t;

static inline blsh_cursor_t blsh_rows(const uint32_t *base, unsigned words, blsh_lanes_t row) {
    return (blsh_cursor_t){(const char *)base, vmulq_n_u32(row, 4u * words)};
}

static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return vldrwq_gather_offset_u32((const uint32_t *)(const void *)(cursor.base + offset), cursor.row);
}

#endif

#endif
