// SPDX-License-Identifier: Apache-2.0
/* What runs from flash: it starts the clock, copies the program into RAM and goes there. The search reads the whole
 * dictionary each hop; from RAM that takes no wait states, from flash it would wait for a cache of 16 KB. */
#include "rp2.h"

#define IN_FLASH __attribute__((section(".loader.text")))

extern const uint32_t _image_load[];
extern uint32_t _image_start[], _image_end[], _estack[];

void loader(void);

/* What the boot stage before reads: the stack, and where to begin. */
__attribute__((section(".loader.vectors"), used)) static const uintptr_t vectors[] = {(uintptr_t)_estack,
                                                                                      (uintptr_t)loader};

#ifdef PART_RP2350
/* RP2350 data sheet, 5.9 ("metadata block details"): a block in the first 4 KB says what this image is. */
__attribute__((section(".loader.block"), used)) static const uint32_t image_definition[] = {
    0xffffded3u, /* a block begins */
    0x10210142u, /* IMAGE_TYPE, a word: an executable, secure, for Arm, for the RP2350 */
    0x000001ffu, /* the last item, after a word of items */
    0x00000000u, /* the next block is this one: there is no other */
    0xab123579u, /* a block ends */
};
#endif

IN_FLASH void loader(void) {
    const volatile uint32_t *from =
        _image_load; /* volatile: else a loop like this becomes memcpy, which is not there yet */

    (void)clock_start(); /* sound_start asks clock_trouble */
    for (uint32_t *to = _image_start; to < _image_end; to++, from++) {
        *to = *from;
    }
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    rp2_enter(_image_start);
}
