// SPDX-License-Identifier: Apache-2.0
/* The functions of the C library that the core calls, for a compiler without one: memory.c has them. */
#ifndef BLSH_WASM_STRING_H
#define BLSH_WASM_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);

#endif
