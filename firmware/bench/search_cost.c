// SPDX-License-Identifier: Apache-2.0
/* The core's search and the plain scan over one dictionary that a debugger or an emulator has put into memory, to be
 * counted from outside; both must find the same. Writes "ok" or "FAIL" by semihosting and leaves. */
#include "blsh_stages.h"
#include "plain_scan.h"

#define SYS_WRITE0      4
#define SYS_EXIT        0x18
#define STOPPED_BY_EXIT ((const void *)0x20026)

/* At DICTIONARY: these words, then planes, and at the offsets (in words) bounds, queries and codes. */
typedef struct {
    uint32_t bits, neighbours, entries, radius, queries, code_words, bounds_at, queries_at, codes_at;
} header_t;

int main(void);

static uint32_t scratch[BLSH_SEARCH_WORDS];
static blsh_neighbour_t found[BLSH_MAX_NEIGHBOURS], expected[BLSH_MAX_NEIGHBOURS];

static void semihost(int call, const void *argument) {
    register int number __asm__("r0") = call;
    register const void *what __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(number) : "r"(what) : "memory");
}

int main(void) {
    const uint32_t *words = (const uint32_t *)DICTIONARY;
    const header_t *head = (const header_t *)DICTIONARY;
    const blsh_model_t model = {.bits = (uint16_t)head->bits,
                                .neighbours = (uint16_t)head->neighbours,
                                .entries = head->entries,
                                .dictionaries = 1u,
                                .radius = (uint16_t)head->radius,
                                .planes = words + sizeof *head / sizeof *words,
                                .bounds = words + head->bounds_at};
    const char *verdict = "ok\n";
    for (uint32_t i = 0; i < head->queries; i++) {
        const uint32_t *code = words + head->queries_at + i * head->code_words;
        blsh_find_nearest(&model, code, scratch, found);
        plain_scan(words + head->codes_at, head->entries, head->code_words, code, head->neighbours, expected);
        for (uint32_t k = 0; k < head->neighbours; k++) {
            if (found[k].index != expected[k].index || found[k].distance != expected[k].distance) {
                verdict = "FAIL: an answer is not the plain scan's\n";
            }
        }
    }
    semihost(SYS_WRITE0, verdict);
    semihost(SYS_EXIT, STOPPED_BY_EXIT);
    for (;;) {
    }
}
