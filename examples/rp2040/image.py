# SPDX-License-Identifier: Apache-2.0
"""What a Pico's boot ROM asks of an image: a checked second stage, and UF2 to copy to its drive. Only for the Makefile.

python3 image.py boot2 IN.bin OUT.c     the RP2040's second stage as an array of 256 bytes, the last four its CRC
python3 image.py uf2 PART IN.bin OUT    an image for flash as UF2; PART is rp2040 or rp2350
"""

import struct
import sys
from pathlib import Path

FLASH = 0x10000000
FAMILIES = {"rp2040": 0xE48BFF56, "rp2350": 0xE48BFF59}  # the latter: Arm, secure
PAYLOAD = 256
FAMILY_PRESENT = 0x2000


def crc32(data: bytes) -> int:
    """Return the CRC of the RP2040's boot ROM (data sheet, 2.8.1.3.1): the highest bit first, nothing inverted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


def checked_boot2(code: bytes) -> bytes:
    """Return `code`, filled up with zeros and its CRC to 256 bytes. ValueError if it is too long."""
    if len(code) > 252:
        raise ValueError(f"boot2 has {len(code)} bytes; at most 252 fit before its CRC")
    padded = code.ljust(252, b"\0")
    return padded + struct.pack("<I", crc32(padded))


def as_c(content: bytes) -> str:
    """Return C that puts `content` into the section .boot2."""
    numbers = ", ".join(map(str, content))
    return f'__attribute__((section(".boot2"), used)) static const unsigned char boot2[] = {{{numbers}}};\n'


def uf2(image: bytes, family: int) -> bytes:
    """Return `image`, which begins where flash does, in blocks of UF2."""
    parts = [image[at : at + PAYLOAD].ljust(PAYLOAD, b"\0") for at in range(0, len(image), PAYLOAD)]
    blocks = []
    for number, part in enumerate(parts):
        place = FLASH + number * PAYLOAD
        head = (0x0A324655, 0x9E5D5157, FAMILY_PRESENT, place, PAYLOAD, number, len(parts), family)
        blocks.append(struct.pack("<8I", *head) + part.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30))
    return b"".join(blocks)


def main(action: str, *words: str) -> None:
    """Write the file that the command line asks for."""
    content = Path(words[-2]).read_bytes()
    if action == "boot2":
        Path(words[-1]).write_text(as_c(checked_boot2(content)), encoding="ascii")
    else:
        Path(words[-1]).write_bytes(uf2(content, FAMILIES[words[0]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
