# SPDX-License-Identifier: Apache-2.0
# What the Makefiles of the examples on Cortex-M share. Each says EXAMPLE, its folder; PORT, its sources; CPU, the options
# for its core; and MEMORY, where flash and RAM lie. BOARD and CLOCK are of firmware/, where an example uses it; SCRIPT is
# its own linker script, if it has one, and MADE are sources that it generates. An example within an export takes that.
ROOT ?= ../..
BLSH ?= $(if $(wildcard $(ROOT)/src/blsh.h),$(ROOT),blsh)
OUT ?= out

FIRMWARE := $(ROOT)/firmware
AUDIO := $(ROOT)/examples/audio
OWN := $(ROOT)/examples/$(EXAMPLE)
LINK := $(if $(SCRIPT),$(OWN)/$(SCRIPT),$(FIRMWARE)/boards/cortexm.ld)
SOURCES := $(PORT:%=$(OWN)/%) $(AUDIO)/main.c $(AUDIO)/startup.c $(AUDIO)/audio_stream.c $(CLOCK:%=$(FIRMWARE)/hal/%)
LIBRARY := $(patsubst $(BLSH)/src/%.c,$(OUT)/blsh/%.o,$(wildcard $(BLSH)/src/*.c))
HEADERS := $(LINK) $(wildcard $(OWN)/*.h $(AUDIO)/*.h $(FIRMWARE)/hal/*.h $(BLSH)/src/*.h)
CFLAGS := $(CPU) -mthumb -std=c11 -O2 -g -Wall -Wextra $(WERROR) -ffunction-sections -fdata-sections \
	-I$(OWN) -I$(AUDIO) $(BOARD:%=-I$(FIRMWARE)/hal -I$(FIRMWARE)/boards/%) -I$(BLSH)/src
LDFLAGS := -nostartfiles --specs=nano.specs -Wl,--gc-sections -T$(LINK) \
	$(MEMORY:%=-Wl,--defsym=__%) -Wl,--defsym=__stack_size=0x2000

.PHONY: all clean
all: $(OUT)/sound.bin $(OUT)/sound.hex

$(OUT)/sound.elf: $(SOURCES) $(MADE) $(LIBRARY) $(HEADERS)
	@test -f "$(BLSH)/src/blsh.h" || { echo "no $(BLSH)/src/blsh.h: name an export, make BLSH=DIR" >&2; exit 2; }
	arm-none-eabi-gcc $(CFLAGS) $(LDFLAGS) $(SOURCES) $(MADE) $(LIBRARY) -o $@

$(OUT)/blsh/%.o: $(BLSH)/src/%.c $(HEADERS)
	@mkdir -p $(@D)
	arm-none-eabi-gcc $(CFLAGS) -c $< -o $@

$(OUT)/sound.bin: $(OUT)/sound.elf
	arm-none-eabi-objcopy -O binary $< $@

$(OUT)/sound.hex: $(OUT)/sound.elf
	arm-none-eabi-objcopy -O ihex $< $@

clean:
	rm -rf $(OUT)
