// SPDX-License-Identifier: Apache-2.0

/** What the denoiser made of a recording: sound before and after, and what each hop told. */
export class Trace {
    /** facts: of the model, see Core.facts. before: Int16Array, the recording at the model's rate. */
    constructor(facts, before) {
        const { hop, delay, bits, dictionaries, neighbours } = facts;
        const hops = Math.ceil((before.length + delay) / hop);
        this.facts = facts;
        this.hops = hops;
        this.before = before;
        /** The stream's output as it came, `delay` samples late. */
        this.stream = new Int16Array(hops * hop);
        this.activity = new Uint8Array(hops);
        this.reduction = new Uint8Array(hops);
        this.words = Math.ceil(bits / 32);
        this.codes = new Uint32Array(hops * this.words);
        /** Index and distance of each neighbour of each dictionary, the nearest first. */
        this.foundEach = 2 * dictionaries * neighbours;
        this.found = new Uint32Array(hops * this.foundEach);
    }

    /** The denoised recording: as long as `before`, and in time with it. */
    get after() {
        return this.stream.subarray(this.facts.delay, this.facts.delay + this.before.length);
    }

    get seconds() {
        return this.before.length / this.facts.rate;
    }

    /** Write what `core` has just computed as hop number `hop`. */
    keep(core, hop) {
        this.stream.set(core.output, hop * this.facts.hop);
        this.activity[hop] = core.exports.activity();
        this.reduction[hop] = core.exports.reduction_db();
        this.codes.set(core.code, hop * this.words);
        this.found.set(core.found, hop * this.foundEach);
    }

    /** Return the number of the hop that finished the output heard at `seconds`. */
    hopAt(seconds) {
        const { rate, hop, delay } = this.facts;
        return Math.max(0, Math.min(this.hops - 1, Math.floor((seconds * rate + delay) / hop)));
    }

    /** Return the code of a hop, and its neighbours, as views. */
    of(hop) {
        return {
            code: this.codes.subarray(hop * this.words, (hop + 1) * this.words),
            found: this.found.subarray(hop * this.foundEach, (hop + 1) * this.foundEach),
        };
    }
}
