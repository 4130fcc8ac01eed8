// SPDX-License-Identifier: Apache-2.0
/* Runs the fuzz target on the files named, without libFuzzer: any compiler, any debugger. */
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **names) {
    static uint8_t data[1u << 16];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (file == NULL) {
            perror(names[i]);
            return 2;
        }
        const size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        fprintf(stderr, "%s\n", names[i]); /* before: it may be the last thing said */
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    printf("%d\n", count - 1);
    return 0;
}
