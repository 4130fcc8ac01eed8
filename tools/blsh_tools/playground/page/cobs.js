// SPDX-License-Identifier: Apache-2.0

const BLOCK = 254; // the most bytes that one code byte announces

/** Return `data` without zeros: Consistent Overhead Byte Stuffing. */
export function cobsEncode(data) {
    const encoded = [];
    let code = 0;
    const begin = () => (code = encoded.push(1) - 1);
    begin();
    data.forEach((byte, at) => {
        if (byte !== 0) {
            encoded.push(byte);
            encoded[code]++;
        }
        const full = encoded[code] === BLOCK + 1;
        if (byte === 0 || (full && at + 1 < data.length)) {
            begin();
        }
    });
    return Uint8Array.from(encoded);
}

/**
 * Return {data} that `encoded`, without delimiters, stands for, or {error}: LONG beyond `limit` bytes, whatever else
 * is wrong, or COBS for what is no stuffing.
 */
export function cobsDecode(encoded, limit) {
    const decoded = [];
    let place = 0;
    let impliedZero = false;
    while (place < encoded.length) {
        if (impliedZero) {
            decoded.push(0);
        }
        const code = encoded[place];
        decoded.push(...encoded.subarray(place + 1, place + code));
        if (decoded.length > limit) {
            return { error: "LONG" };
        }
        place += code;
        impliedZero = code <= BLOCK;
    }
    return place > encoded.length ? { error: "COBS" } : { data: Uint8Array.from(decoded) };
}
