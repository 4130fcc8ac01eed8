# SPDX-License-Identifier: Apache-2.0
"""PlatformIO runs this under SCons: firmware/ -> firmware.elf, firmware.bin, firmware.hex and firmware.map."""

import os
import re
import shutil
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
root = Path(env.subst("$PROJECT_DIR"))
PREFIX = "arm-none-eabi-"


def refuse(message):
    sys.stderr.write(f"error: {message}\n")
    env.Exit(1)


def build_id():
    """Return the environment's BLSH_BUILD_ID, 8 hexadecimal digits; the firmware reports it in HELLO."""
    text = os.environ.get("BLSH_BUILD_ID") or "00000000"
    if not re.fullmatch("[0-9a-fA-F]{8}", text):
        refuse(f"BLSH_BUILD_ID is {text!r}; expected 8 hexadecimal digits")
    return f"0x{text.lower()}u"


def upload(target, source, env):
    print("A virtual board needs no flashing: the emulator loads firmware.elf when it starts.")


if not {"clean", "cleanall", "fullclean", "__idedata", "idedata", "compiledb"} & set(COMMAND_LINE_TARGETS):
    if not shutil.which(PREFIX + "gcc"):
        refuse(f"{PREFIX}gcc is missing: install the packages gcc-arm-none-eabi libnewlib-arm-none-eabi")
    if not any(root.glob("firmware/generated/*.c")):
        refuse("firmware/generated is missing: run blsh generate MODEL first")

if not re.fullmatch(r"[\w./+@:=-]+", str(root), re.ASCII):
    refuse(f"SCons does not bear every character of the path {root}; `blsh build` copies what it builds, and does")

is_flashed = env.subst("$UPLOAD_PROTOCOL") == "custom"
cpu_flags = board.get("build.cpu_flags")
symbols = board.get("build.linker_symbols")
env.Replace(
    AR=PREFIX + "gcc-ar",
    AS=PREFIX + "as",
    CC=PREFIX + "gcc",
    CXX=PREFIX + "g++",
    OBJCOPY=PREFIX + "objcopy",
    RANLIB=PREFIX + "gcc-ranlib",
    SIZETOOL=PREFIX + "size",
    ARFLAGS=["rcsD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    LDSCRIPT_PATH=str(root / board.get("build.linker_script")),
    SIZEPROGREGEXP=r"^(?:\.text|\.rodata|\.ARM\.exidx|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
env.Append(
    # The same bytes in every checkout: no absolute path may reach the debug information or __FILE__.
    CCFLAGS=[*cpu_flags, f"-ffile-prefix-map={root}=."],
    LINKFLAGS=[
        *cpu_flags,
        *board.get("build.link_flags"),
        *(f"-Wl,--defsym={name}={value}" for name, value in symbols.items()),
        "-Wl,-Map=" + os.path.join("$BUILD_DIR", "firmware.map"),
    ],
    CPPDEFINES=[("BLSH_BUILD_ID", build_id())],
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Building $TARGET"), suffix=".bin"
        ),
        "ElfToHex": Builder(
            action=env.VerboseAction("$OBJCOPY -O ihex $SOURCES $TARGET", "Building $TARGET"), suffix=".hex"
        ),
    },
)

elf = env.BuildProgram()
binary = env.ElfToBin(os.path.join("$BUILD_DIR", "firmware"), elf)
# Only where a board is flashed with it: in a virtual board's folder it would be one more file to keep.
images = [binary, env.ElfToHex(os.path.join("$BUILD_DIR", "firmware"), elf)] if is_flashed else [binary]
env.Depends(binary, "checkprogsize")
env.Clean(elf, os.path.join("$BUILD_DIR", "firmware.map"))
AlwaysBuild(env.Alias("nobuild", images))
env.AddPlatformTarget("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Size of $SOURCE"), "Program size")
env.AddPlatformTarget(
    "upload",
    elf,
    env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE") if is_flashed else upload,
    "Upload",
)
Default([env.Alias("buildprog", images)])
