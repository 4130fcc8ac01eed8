// SPDX-License-Identifier: Apache-2.0
/* Slots for models in a file, of which each half is one: BLSH_HOST_STORAGE names it. Without it there is no storage.
 *
 * BLSH_HOST_CUT_AFTER=n: the power fails in the middle of the n-th word programmed or sector erased; the process ends
 * with CUT_EXIT and leaves behind what BLSH_HOST_CUT_SEED makes of that step.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hal_storage.h"
#include "power_cut.h"

#define SECTOR_BYTES 1024u
#define CUT_EXIT     86

static uint32_t *storage;
static uint32_t slot_bytes;
static uint32_t steps_left; /* until the cut; 0: none comes */
static uint32_t seed;

static uint32_t number(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? 0u : (uint32_t)strtoul(text, NULL, 10);
}

static void refuse(const char *path, const char *why) __attribute__((noreturn));
static void refuse(const char *path, const char *why) {
    fprintf(stderr, "blsh-host: BLSH_HOST_STORAGE %s: %s\n", path, why);
    exit(EXIT_FAILURE);
}

static void open_storage(const char *path) {
    struct stat about;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0) {
        refuse(path, "cannot be opened");
    }
    if (about.st_size <= 0 || about.st_size > INT32_MAX || about.st_size % (HAL_SLOTS * SECTOR_BYTES) != 0) {
        refuse(path, "is not of two slots of whole sectors of 1024 bytes");
    }
    void *mapped = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        refuse(path, "cannot be mapped");
    }
    (void)close(file);
    storage = mapped;
    slot_bytes = (uint32_t)about.st_size / HAL_SLOTS;
    steps_left = number("BLSH_HOST_CUT_AFTER");
    seed = number("BLSH_HOST_CUT_SEED");
}

uint32_t hal_slot_bytes(void) {
    const char *path = getenv("BLSH_HOST_STORAGE");
    if (storage == NULL && path != NULL) {
        open_storage(path);
    }
    return slot_bytes;
}

uint32_t *hal_slot(uint32_t slot) { return storage + slot * (slot_bytes / sizeof *storage); }

uint32_t hal_sector_bytes(void) { return SECTOR_BYTES; }

/* Whether the power fails in this step. */
static int cut_now(void) { return steps_left != 0u && --steps_left == 0u; }

void hal_sector_erase(uint32_t *sector) {
    if (cut_now()) {
        cut_erase(sector, SECTOR_BYTES / sizeof *sector, &seed);
        _exit(CUT_EXIT);
    }
    for (uint32_t i = 0; i < SECTOR_BYTES / sizeof *sector; i++) {
        sector[i] = UINT32_MAX;
    }
}

void hal_word_program(uint32_t *at, uint32_t word) {
    if (cut_now()) {
        cut_program(at, word, &seed);
        _exit(CUT_EXIT);
    }
    *at &= word;
}
