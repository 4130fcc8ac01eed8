// SPDX-License-Identifier: Apache-2.0
/* A plugin of QEMU's translator (API version 1, QEMU 6.0 and later) that profiles passages of a program:
 *
 *     gcc -O2 -shared -fPIC profile_plugin.c -o profile.so
 *     qemu-system-arm ... -plugin profile.so,out=FILE,from=ADDR,to=ADDR[,to=...][,from=...][,flash=ADDR,size=BYTES]
 *
 * A passage begins where the program comes to `from`, a function, and ends where it comes to a `to`, behind a call.
 * FILE gets, exactly: `pass NUMBER INSTRUCTIONS` for each passage; and at the end, over all of them, `block ADDR
 * INSTRUCTIONS RUNS TAKEN` (how often the program left it for another place than the next instruction), `read ADDR
 * COUNT` for each instruction that read flash as data; `lines COUNT`: 32-byte lines of flash read in a passage.
 *
 * QEMU's own header is not needed: these are the declarations that are used.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT     __attribute__((visibility("default")))
#define PASSAGES   4
#define CALLS      8
#define LINE_BYTES 32u

typedef uint64_t plugin_id;
typedef uint32_t mem_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CB_NO_REGS = 0, MEM_BOTH = 3 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, mem_info, uint64_t, void *),
                                             int, int, void *);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern bool qemu_plugin_mem_is_store(mem_info);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

typedef struct reader {
    struct reader *next;
    uint64_t address, count;
} reader_t;

typedef struct block {
    struct block *next;
    uint64_t start, end, instructions, runs, taken;
} block_t;

static FILE *out;
static uint64_t from[PASSAGES], to[PASSAGES][CALLS], flash, flash_bytes;
static int begins, ends[PASSAGES];
static block_t *blocks, *before;
static reader_t *readers;
static uint32_t *line_seen; /* the number of the last passage that read the line */
static uint32_t passage;
static uint64_t instructions, lines;
static int inside = -1;

static bool is_end(uint64_t address) {
    bool found = false;
    for (int i = 0; i < ends[inside]; i++) {
        found = found || address == to[inside][i];
    }
    return found;
}

static void on_block(unsigned cpu, void *context) {
    block_t *block = context;
    (void)cpu;
    if (inside >= 0 && is_end(block->start)) {
        if (before != NULL) {
            before->taken++; /* the return */
        }
        fprintf(out, "pass %d %" PRIu64 "\n", inside, instructions);
        inside = -1;
    }
    if (inside < 0) {
        for (int i = 0; i < begins && inside < 0; i++) {
            inside = block->start == from[i] ? i : -1;
        }
        if (inside < 0) {
            return;
        }
        passage++;
        instructions = 0;
        before = NULL;
    }
    if (before != NULL && before->end != block->start) {
        before->taken++;
    }
    before = block;
    block->runs++;
    instructions += block->instructions;
}

/* Registered for reads and writes, because QEMU 7.2 takes one for the other there, though not in `info`. */
static void on_access(unsigned cpu, mem_info info, uint64_t address, void *context) {
    reader_t *reader = context;
    (void)cpu;
    if (inside >= 0 && !qemu_plugin_mem_is_store(info) && address >= flash && address - flash < flash_bytes) {
        uint32_t *seen = &line_seen[(address - flash) / LINE_BYTES];
        reader->count++;
        lines += *seen != passage ? 1u : 0u;
        *seen = passage;
    }
}

static void *new_of(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb) {
    const size_t count = qemu_plugin_tb_n_insns(tb);
    block_t *block = new_of(sizeof *block);
    (void)id;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        block->end = qemu_plugin_insn_vaddr(instruction) + qemu_plugin_insn_size(instruction);
        if (flash_bytes != 0u) {
            reader_t *reader = new_of(sizeof *reader);
            *reader = (reader_t){readers, qemu_plugin_insn_vaddr(instruction), 0};
            readers = reader;
            qemu_plugin_register_vcpu_mem_cb(instruction, on_access, CB_NO_REGS, MEM_BOTH, reader);
        }
    }
    block->start = qemu_plugin_tb_vaddr(tb);
    block->instructions = count;
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS, block);
}

static void on_exit_of_qemu(plugin_id id, void *context) {
    (void)id;
    (void)context;
    for (const block_t *block = blocks; block != NULL; block = block->next) {
        if (block->runs != 0u) {
            fprintf(out, "block 0x%" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", block->start, block->instructions,
                    block->runs, block->taken);
        }
    }
    for (const reader_t *reader = readers; reader != NULL; reader = reader->next) {
        if (reader->count != 0u) {
            fprintf(out, "read 0x%" PRIx64 " %" PRIu64 "\n", reader->address, reader->count);
        }
    }
    fprintf(out, "lines %" PRIu64 "\n", lines);
    fclose(out);
}

/* The value of the argument `name=...`, or NULL. */
static const char *value_of(const char *argument, const char *name) {
    const size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if ((value = value_of(argv[i], "out")) != NULL) {
            out = fopen(value, "w");
        } else if ((value = value_of(argv[i], "from")) != NULL && begins < PASSAGES) {
            from[begins++] = strtoull(value, NULL, 0);
        } else if ((value = value_of(argv[i], "to")) != NULL && begins > 0 && ends[begins - 1] < CALLS) {
            to[begins - 1][ends[begins - 1]++] = strtoull(value, NULL, 0);
        } else if ((value = value_of(argv[i], "flash")) != NULL) {
            flash = strtoull(value, NULL, 0);
        } else if ((value = value_of(argv[i], "size")) != NULL) {
            flash_bytes = strtoull(value, NULL, 0);
        } else {
            return -1;
        }
    }
    if (out == NULL || begins == 0) {
        return -1;
    }
    line_seen = new_of((flash_bytes / LINE_BYTES + 1u) * sizeof *line_seen);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
