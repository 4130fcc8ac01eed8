// SPDX-License-Identifier: Apache-2.0
/* Checks images that come on stdin, each as its length and its bytes, in memory of exactly that size: the address
 * sanitizer then sees every read outside. Answers each with blsh_image_check's result and blsh_init's, two words. */
#include <stdio.h>
#include <stdlib.h>

#include "models.h"

uint32_t *hal_slot(uint32_t slot);
uint32_t hal_slot_bytes(void);
uint32_t hal_sector_bytes(void);
void hal_sector_erase(uint32_t *sector);
void hal_word_program(uint32_t *at, uint32_t word);

uint32_t *hal_slot(uint32_t slot) {
    (void)slot;
    abort();
}

uint32_t hal_slot_bytes(void) { abort(); }

uint32_t hal_sector_bytes(void) { abort(); }

void hal_sector_erase(uint32_t *sector) {
    (void)sector;
    abort();
}

void hal_word_program(uint32_t *at, uint32_t word) {
    (void)at;
    (void)word;
    abort();
}

int main(void) {
    static blsh_state_t state;
    uint32_t bytes;
    while (fread(&bytes, sizeof bytes, 1, stdin) == 1) {
        void *image = malloc(bytes);
        blsh_model_t model;
        if (bytes != 0u && fread(image, bytes, 1, stdin) != 1) {
            return 1;
        }
        int32_t results[2] = {blsh_image_check(image, bytes, &model), 0};
        if (results[0] == 0) {
            results[1] = blsh_init(&state, &model);
            if (results[1] == 0) { /* reads all of the dictionary */
                results[1] = blsh_dictionary_crc32(&model) == model.dictionary_crc32 ? 0 : BLSH_ERR_DICTIONARY_CRC;
            }
        }
        free(image);
        if (fwrite(results, sizeof results, 1, stdout) != 1 || fflush(stdout) != 0) {
            return 1;
        }
    }
    return 0;
}
