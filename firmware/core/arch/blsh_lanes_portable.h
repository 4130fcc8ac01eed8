// SPDX-License-Identifier: Apache-2.0
/* blsh_lanes.h in C: a word at a time. */
#ifndef BLSH_LANES_PORTABLE_H
#define BLSH_LANES_PORTABLE_H

#define BLSH_LANES 1u
typedef uint32_t blsh_lanes_t;
typedef const uint32_t *blsh_cursor_t;

static inline blsh_lanes_t blsh_load_lanes(const uint32_t *words) { return *words; }
static inline blsh_lanes_t blsh_load_bytes(const uint8_t *bytes) { return *bytes; }
static inline void blsh_store_lanes(uint32_t *words, blsh_lanes_t lanes) { *words = lanes; }
static inline blsh_lanes_t blsh_none(void) { return 0; }
static inline bool blsh_any_set(blsh_lanes_t lanes) { return lanes != 0u; }
static inline uint32_t blsh_least_lane(blsh_lanes_t lanes) { return lanes; }

static inline blsh_cursor_t blsh_rows(const uint32_t *base, unsigned words, blsh_lanes_t row) {
    return base + words * row;
}

static inline blsh_lanes_t blsh_read(blsh_cursor_t cursor, uint32_t offset) {
    return *(const uint32_t *)(const void *)((const char *)cursor + offset);
}

#endif
