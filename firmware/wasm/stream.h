// SPDX-License-Identifier: Apache-2.0
/* One stream of the core as WebAssembly: what the playground calls (docs/playground.md).
 *
 * The page puts a model image at image() and calls load(). Then, for each hop, it writes the samples to input(), calls
 * hop(), and reads output() and whatever else it shows. The firmware's own app/models.c checks and reads the image, so
 * what is refused here is refused by a board, too. */
#ifndef BLSH_WASM_STREAM_H
#define BLSH_WASM_STREAM_H

#include "blsh.h"

/* Declares wasm_name(), which the page calls by its `name`. */
#define BLSH_WASM(type, name, ...) __attribute__((export_name(#name))) type wasm_##name(__VA_ARGS__)

/* Where the page puts an image: behind all variables, on a multiple of 4. It sees to it that the memory reaches to the
 * end of the image. */
BLSH_WASM(uint8_t *, image, void);

/* Start a stream with the image of `bytes` bytes, and K `neighbours`, or 0 for the model's own K. Returns 0, a negative
 * error of the core, or a positive BLSH_IMAGE_... of the protocol. After an error there is no stream. */
BLSH_WASM(int, load, uint32_t bytes, unsigned neighbours);

/* Begin a new stream with the model that is loaded. */
BLSH_WASM(int, restart, void);

BLSH_WASM(int, set_attenuation, unsigned db);

/* Whether hop() computes the CRC of each stage, which takes longer than all the rest of a hop. */
BLSH_WASM(void, set_digests, int wanted);

/* Denoise the samples at input(). */
BLSH_WASM(void, hop, void);
BLSH_WASM(int16_t *, input, void);
BLSH_WASM(int16_t *, output, void);

/* ---- what the last hop told ------------------------------------------------------------------------------------- */

BLSH_WASM(unsigned, activity, void);
BLSH_WASM(int, reduction_db, void);
BLSH_WASM(const uint32_t *, code, void);
BLSH_WASM(const blsh_neighbour_t *, found, void);
BLSH_WASM(const uint32_t *, digests, void); /* of each stage */
BLSH_WASM(uint32_t, stages_crc32, void);    /* of all stages of all hops since restart(), one after the other */

/* ---- what the model is ------------------------------------------------------------------------------------------ */

/* Numbers of blsh_model_t that the page asks for by their names. */
#define BLSH_WASM_FACTS(X)                                                                                             \
    X(bits)                                                                                                            \
    X(neighbours) X(entries) X(dictionaries) X(rate_hz) X(window) X(synthesis) X(attenuation) X(dictionary_crc32)
#define BLSH_WASM_FACT(name) BLSH_WASM(uint32_t, name, void);
BLSH_WASM_FACTS(BLSH_WASM_FACT)
#undef BLSH_WASM_FACT

BLSH_WASM(uint32_t, hop_samples, void);
BLSH_WASM(uint32_t, delay_samples, void);
BLSH_WASM(uint32_t, most_neighbours, void); /* the largest K that load() may be asked for */
BLSH_WASM(uint32_t, self_test_crc32, void); /* what stages_crc32() must be after the image's self-test */
BLSH_WASM(const char *, name, void);
BLSH_WASM(const uint8_t *, model_sha256, void);
BLSH_WASM(const char *, error_text, int result);

#endif
