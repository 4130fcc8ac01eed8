// SPDX-License-Identifier: Apache-2.0

const SIZES = { B: 1, s: 1, H: 2, I: 4, i: 4 };
const PUT = { B: "setUint8", H: "setUint16", I: "setUint32", i: "setInt32" };
const GET = { B: "getUint8", H: "getUint16", I: "getUint32", i: "getInt32" };

/**
 * Return the payload of a message. layout: its fields as blsh_hil.wire has them. values: its numbers by their names,
 * and its tail as a Uint8Array; what is left out is 0.
 */
export function pack(layout, values) {
    const tail = values[layout.tail] ?? new Uint8Array(0);
    const payload = new Uint8Array(layout.bytes + tail.length);
    const view = new DataView(payload.buffer);
    for (const { name, code, count, offset } of layout.fields) {
        if (count === 1 && values[name] !== undefined) {
            view[PUT[code]](offset, values[name], true);
        }
    }
    payload.set(tail, layout.bytes);
    return payload;
}

/** Return the values in `payload` by their names: numbers, texts, and Uint8Arrays for all other fields. */
export function unpack(layout, payload) {
    if (payload.length < layout.bytes || payload.length > layout.bytes + layout.tailLimit) {
        throw new Error(`the board sent ${layout.name} with ${payload.length} bytes; it runs another firmware`);
    }
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const values = {};
    for (const { name, code, count, offset } of layout.fields) {
        const bytes = payload.slice(offset, offset + count * SIZES[code]);
        values[name] = code === "s" ? text(bytes) : count === 1 ? view[GET[code]](offset, true) : bytes;
    }
    if (layout.tail) {
        values[layout.tail] = payload.slice(layout.bytes);
    }
    return values;
}

function text(bytes) {
    const end = bytes.indexOf(0);
    return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
}
