// SPDX-License-Identifier: Apache-2.0
// The audio thread's own module: the page carries it as a text, and the browser runs it apart from all the others.
import { Core } from "./core.js";
import { Fifo } from "./fifo.js";
import { toInt16 } from "./samples.js";

const REPORT_S = 0.03;

class Denoiser extends AudioWorkletProcessor {
    constructor({ processorOptions: { wasm, image, neighbours, attenuation, listen } }) {
        super();
        this.core = new Core(new WebAssembly.Instance(new WebAssembly.Module(wasm), {}).exports);
        this.core.load(image, neighbours);
        this.core.restart(attenuation);
        this.facts = this.core.facts();
        this.filled = 0;
        this.heard = new Fifo(4 * this.facts.hop + 1024);
        this.listen = listen;
        this.report = [];
        this.port.onmessage = ({ data }) => this.set(data);
    }

    /** attenuation: the new limit. listen: "nothing", "before" or "after". end: whether to stop. */
    set({ attenuation, listen, end }) {
        if (attenuation !== undefined) {
            this.core.exports.set_attenuation(attenuation);
        }
        this.listen = listen ?? this.listen;
        if (end) {
            this.send();
            this.port.postMessage({ ended: true });
            this.ended = true;
        }
    }

    process([[input]], [[output]]) {
        if (this.ended) {
            return false;
        }
        for (const value of input ?? []) {
            this.core.input[this.filled++] = toInt16(value);
            if (this.filled === this.facts.hop) {
                this.filled = 0;
                this.hop();
            }
        }
        for (let at = 0; at < output.length; at++) {
            output[at] = this.heard.shift() / 32768;
        }
        return true;
    }

    hop() {
        const { core } = this;
        const before = core.input.slice();
        core.hop();
        const after = core.output.slice();
        if (this.listen !== "nothing") {
            (this.listen === "before" ? before : after).forEach((sample) => this.heard.push(sample));
        }
        this.report.push({ before, after });
        if (this.report.length * this.facts.hop >= REPORT_S * this.facts.rate) {
            this.send();
        }
    }

    send() {
        const { core } = this;
        this.port.postMessage({
            hops: this.report,
            activity: core.exports.activity(),
            reduction: core.exports.reduction_db(),
            code: core.code.slice(),
            found: core.found.slice(),
        });
        this.report = [];
    }
}

registerProcessor("denoiser", Denoiser);
