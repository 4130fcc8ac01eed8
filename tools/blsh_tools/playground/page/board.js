// SPDX-License-Identifier: Apache-2.0
import { Decoder, encodeFrame } from "./frames.js";
import { pack, unpack } from "./messages.js";

const PATIENCE_MS = 1500;
const TRIES = 4;
const LAST_SEQUENCE = 65535; // 0 is for what the board sends unasked

/** A board at a serial port, asked one request at a time (docs/SPEC.md, 9). */
export class Board {
    /** port: a SerialPort of the browser. wire: the protocol, as the page carries it. */
    constructor(port, wire) {
        this.port = port;
        this.wire = wire;
        this.decoder = new Decoder(wire);
        this.sequence = 0;
        this.waiting = null;
    }

    /** Open the port and begin to listen. */
    async open(baudRate) {
        await this.port.open({ baudRate, bufferSize: 65536 });
        this.reader = this.port.readable.getReader();
        this.writer = this.port.writable.getWriter();
        this.listening = this.listen();
    }

    /** Close the port. */
    async close() {
        await this.reader.cancel();
        await this.listening;
        this.reader.releaseLock();
        this.writer.releaseLock();
        await this.port.close();
    }

    /** Send the request `name` and return the values of its answer, the message `reply`. Repeats what got lost. */
    async ask(name, values, reply) {
        const layout = this.wire.messages[name];
        const sequences = new Set();
        for (let tries = 0; tries < TRIES; tries++) {
            this.sequence = (this.sequence % LAST_SEQUENCE) + 1;
            sequences.add(this.sequence);
            const answer = this.answer(sequences);
            await this.writer.write(encodeFrame(this.wire, layout.type, this.sequence, pack(layout, values)));
            const frame = await answer;
            if (frame !== null) {
                return this.read(frame, name, reply);
            }
        }
        throw new Error(`no answer to ${name}: is it the right port and rate, and does the board run this firmware?`);
    }

    read(frame, name, reply) {
        const { messages, errors } = this.wire;
        if (frame.type === messages.ERROR.type) {
            const { code, detail } = unpack(messages.ERROR, frame.payload);
            throw new Error(`the board refuses ${name}: ${errors[code] ?? `error ${code}`} (${detail})`);
        }
        if (frame.type !== messages[reply].type) {
            throw new Error(`the board answers ${name} by a message of type ${frame.type}; it runs another firmware`);
        }
        return unpack(messages[reply], frame.payload);
    }

    /** Wait for the answer to one of `sequences`; null where none comes in time. */
    answer(sequences) {
        return new Promise((resolve, reject) => {
            const late = setTimeout(() => this.waiting?.resolve(null), PATIENCE_MS);
            const done = (finish) => (value) => {
                clearTimeout(late);
                this.waiting = null;
                finish(value);
            };
            this.waiting = { sequences, resolve: done(resolve), reject: done(reject) };
        });
    }

    async listen() {
        try {
            for (;;) {
                const { value, done } = await this.reader.read();
                if (done) {
                    return;
                }
                for (const frame of this.decoder.feed(value)) {
                    if (this.waiting?.sequences.has(frame.sequence)) {
                        this.waiting.resolve(frame);
                    }
                }
            }
        } catch (error) {
            this.waiting?.reject(new Error(`the board is gone: ${error.message}; plug it in and connect again`));
        }
    }
}
