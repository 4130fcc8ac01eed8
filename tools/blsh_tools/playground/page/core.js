// SPDX-License-Identifier: Apache-2.0

const PAGE_BYTES = 65536;
const SELF_TEST_HOPS = 6;

/** The limit of attenuation that is none: BLSH_ATTENUATION_OFF. */
export const ATTENUATION_OFF = 255;

/**
 * The firmware's core with one stream (firmware/wasm/stream.h). The page makes one of an instance of the module; the
 * audio worklet makes its own.
 */
export class Core {
    /** exports: of an instance of the WebAssembly module. */
    constructor(exports) {
        this.exports = exports;
    }

    /** Compile the module, `bytes`, on the page's thread. */
    static async compile(bytes) {
        const { instance } = await WebAssembly.instantiate(bytes, {});
        return new Core(instance.exports);
    }

    /**
     * Start a stream of the model image `bytes`, with K `neighbours`, 0 for the model's own.
     * Returns 0, a negative error of the core, or a positive fault of the image.
     */
    load(bytes, neighbours = 0) {
        const { exports } = this;
        const at = exports.image();
        const lacking = at + bytes.length - exports.memory.buffer.byteLength;
        if (lacking > 0) {
            exports.memory.grow(Math.ceil(lacking / PAGE_BYTES));
        }
        new Uint8Array(exports.memory.buffer).set(bytes, at);
        const result = exports.load(bytes.length, neighbours);
        if (result === 0) {
            this.views();
        }
        return result;
    }

    /** Look at the memory anew: growing it, or another model, ends the views of before. */
    views() {
        const { exports } = this;
        const { buffer } = exports.memory;
        this.hopSamples = exports.hop_samples();
        this.input = new Int16Array(buffer, exports.input(), this.hopSamples);
        this.output = new Int16Array(buffer, exports.output(), this.hopSamples);
        this.code = new Uint32Array(buffer, exports.code(), Math.ceil(exports.bits() / 32));
        this.found = new Uint32Array(buffer, exports.found(), 2 * exports.dictionaries() * exports.neighbours());
        this.digests = new Uint32Array(buffer, exports.digests(), 8);
    }

    /** Denoise the samples in `input`; `output`, `code`, `found` and the meters are of this hop from now on. */
    hop() {
        this.exports.hop();
    }

    /** Begin a new stream whose limit is `attenuation`: 0 to 60 dB, or ATTENUATION_OFF. */
    restart(attenuation) {
        this.exports.restart();
        this.exports.set_attenuation(attenuation);
    }

    /** Return whether the image's own self-test gives what the reference gave, bit for bit (docs/SPEC.md, 11). */
    selfTest() {
        const { exports } = this;
        exports.set_digests(1);
        exports.restart();
        let noise = 0;
        for (let hop = 0; hop < SELF_TEST_HOPS; hop++) {
            for (let at = 0; at < this.hopSamples; at++) {
                noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
                this.input[at] = noise >>> 16;
            }
            exports.hop();
        }
        exports.set_digests(0);
        return exports.stages_crc32() === exports.self_test_crc32();
    }

    /** Return what the loaded model is, as numbers and texts. */
    facts() {
        const { exports } = this;
        const sha256 = new Uint8Array(exports.memory.buffer, exports.model_sha256(), 32);
        return {
            name: this.text(exports.name()),
            sha256: Array.from(sha256, (byte) => byte.toString(16).padStart(2, "0")).join(""),
            rate: exports.rate_hz(),
            window: exports.window(),
            hop: this.hopSamples,
            synthesis: exports.synthesis(),
            delay: exports.delay_samples(),
            bits: exports.bits(),
            neighbours: exports.neighbours(),
            mostNeighbours: exports.most_neighbours(),
            entries: exports.entries(),
            dictionaries: exports.dictionaries(),
            attenuation: exports.attenuation(),
            dictionaryCrc32: exports.dictionary_crc32() >>> 0,
        };
    }

    /** Return the core's own words for a negative result of `load`. */
    errorText(result) {
        return this.text(this.exports.error_text(result));
    }

    /** Return the C string at the address `at`. */
    text(at) {
        const bytes = new Uint8Array(this.exports.memory.buffer, at);
        return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
    }
}
