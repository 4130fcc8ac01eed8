// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>

/* Without this attribute clang finds memcpy in the loop of memcpy, and the function calls itself. */
#define PLAIN __attribute__((no_builtin))

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    uint8_t *target = to;
    const uint8_t *source = from;
    for (size_t i = 0; i < bytes; i++) {
        target[i] = source[i];
    }
    return to;
}

PLAIN void *memmove(void *to, const void *from, size_t bytes) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if (target <= source) {
        return memcpy(to, from, bytes); /* which goes upwards, a byte at a time */
    }
    while (bytes-- > 0u) {
        target[bytes] = source[bytes];
    }
    return to;
}

PLAIN void *memset(void *to, int value, size_t bytes) {
    uint8_t *target = to;
    for (size_t i = 0; i < bytes; i++) {
        target[i] = (uint8_t)value;
    }
    return to;
}

PLAIN int memcmp(const void *one, const void *other, size_t bytes) {
    const uint8_t *a = one, *b = other;
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
