// SPDX-License-Identifier: Apache-2.0

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
        value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    return value;
});

/** Return CRC-32/ISO-HDLC of `bytes`. */
export function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) {
        crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
    }
    return ~crc >>> 0;
}
