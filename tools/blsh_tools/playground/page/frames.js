// SPDX-License-Identifier: Apache-2.0
import { cobsDecode, cobsEncode } from "./cobs.js";
import { crc32 } from "./crc32.js";

const HEADER_BYTES = 6; // version, type, sequence number, length of the payload
const CRC_BYTES = 4;
const OVERHEAD = HEADER_BYTES + CRC_BYTES;

/** Return a frame: 0 | COBS(header, payload, CRC-32) | 0. wire: version and limits of the protocol. */
export function encodeFrame(wire, type, sequence, payload) {
    const body = new Uint8Array(OVERHEAD + payload.length);
    const view = new DataView(body.buffer);
    body[0] = wire.version;
    body[1] = type;
    view.setUint16(2, sequence, true);
    view.setUint16(4, payload.length, true);
    body.set(payload, HEADER_BYTES);
    view.setUint32(body.length - CRC_BYTES, crc32(body.subarray(0, -CRC_BYTES)), true);
    return Uint8Array.from([0, ...cobsEncode(body), 0]);
}

/** Makes frames of bytes that come in pieces of any size. After a bad frame it starts again at the next delimiter. */
export class Decoder {
    constructor(wire) {
        this.wire = wire;
        this.limit = wire.maxPayload + OVERHEAD;
        this.encodedLimit = this.limit + Math.floor(this.limit / 254) + 2;
        this.partial = [];
    }

    /** Return what `bytes` completes: {type, sequence, payload} of a frame, {error} of another piece. */
    feed(bytes) {
        const found = [];
        for (const byte of bytes) {
            if (byte !== 0) {
                if (this.partial.length < this.encodedLimit) {
                    this.partial.push(byte);
                }
            } else if (this.partial.length > 0) {
                found.push(this.finish(Uint8Array.from(this.partial)));
                this.partial = [];
            }
        }
        return found;
    }

    finish(encoded) {
        const { data: body, error } = cobsDecode(encoded, this.limit);
        if (error) {
            return { error };
        }
        if (body.length < OVERHEAD) {
            return { error: "SHORT" };
        }
        const view = new DataView(body.buffer);
        if (view.getUint16(4, true) !== body.length - OVERHEAD) {
            return { error: "LENGTH" };
        }
        if (view.getUint32(body.length - CRC_BYTES, true) !== crc32(body.subarray(0, -CRC_BYTES))) {
            return { error: "CRC" };
        }
        if (body[0] !== this.wire.version) {
            return { error: "VERSION", version: body[0] };
        }
        const payload = body.slice(HEADER_BYTES, -CRC_BYTES);
        return { type: body[1], sequence: view.getUint16(2, true), payload };
    }
}
