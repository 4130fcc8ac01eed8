// SPDX-License-Identifier: Apache-2.0
import { Core } from "./core.js";
import { denoise } from "./denoise.js";
import { Live } from "./live.js";
import { Players } from "./players.js";
import { readRecording } from "./recording.js";
import { Settings } from "./settings.js";
import { View } from "./view.js";
import { writeWav } from "./wav.js";

/** The page's state: a model, a recording, what came out, or a session with the microphone. */
export class Playground {
    /** find: returns an element by its id. data: of pageData. core: without a model yet. */
    constructor(find, data, core) {
        Object.assign(this, { find, data, core });
        this.source = null;
        this.trace = null;
        this.live = null;
        this.work = 0;
        this.view = new View(find);
        this.players = new Players([find("player-before"), find("player-after"), find("player-board")]);
        this.settings = new Settings(find, data.models, (what) => this.changed(what));
        this.onTrace = () => {};
    }

    /** Load the chosen model, and say what it is. Throws an Error that says why where it is refused. */
    loadModel() {
        const { core, settings } = this;
        this.loadImage(0);
        if (!core.selfTest()) {
            throw new Error("the model's self-test gives other values than the reference: try another browser");
        }
        this.loadImage(settings.neighbours);
        const facts = core.facts();
        settings.show(facts);
        const latency = (1000 * facts.synthesis) / facts.rate;
        const dictionaries = facts.dictionaries === 1 ? "1 dictionary" : `${facts.dictionaries} dictionaries`;
        this.find("facts").textContent =
            `${facts.name}: ${facts.rate / 1000} kHz, ${latency} ms of latency, codes of ${facts.bits} bits, ` +
            `${dictionaries} of ${facts.entries} entries. SHA-256 ${facts.sha256.slice(0, 16)}. Self-test passed.`;
    }

    /** Give the core the chosen image, with K `neighbours`, 0 for its own: the self-test is for that K. */
    loadImage(neighbours) {
        const { core } = this;
        const result = core.load(this.settings.image, neighbours);
        if (result !== 0) {
            const why = result < 0 ? core.errorText(result) : this.data.faults[result];
            throw new Error(`the model image is refused: ${why}`);
        }
    }

    /** Take a recording: `bytes` of a sound file. */
    async open(name, bytes) {
        this.source = { name, bytes, rate: 0, samples: null };
        await this.refresh();
    }

    /** Return the recording at `rate` Hz. */
    async samples(rate) {
        const { source } = this;
        if (source.rate !== rate) {
            source.samples = await readRecording(source.bytes, rate);
            source.rate = rate;
        }
        return source.samples;
    }

    /** Denoise the recording with the settings as they are now, and show it. */
    async refresh() {
        const work = ++this.work;
        await this.guarded(async () => {
            this.loadModel();
            if (this.source === null) {
                this.say("Choose a recording, or use the microphone.");
                return;
            }
            const samples = await this.samples(this.core.facts().rate);
            if (work !== this.work) {
                return; // a later call goes on with other settings
            }
            const began = performance.now();
            const trace = await denoise(this.core, samples, this.settings.attenuation, () => work !== this.work);
            if (trace !== null) {
                this.showTrace(trace, (performance.now() - began) / 1000);
            }
        });
    }

    showTrace(trace, seconds) {
        this.trace = trace;
        this.timesRealTime = trace.seconds / seconds;
        this.view.show(trace, this.players.seconds);
        const { rate } = trace.facts;
        this.players.load(this.find("player-before"), trace.before, rate);
        this.players.load(this.find("player-after"), trace.after, rate);
        this.find("switch").disabled = false;
        this.offer(trace.after, rate);
        this.say(
            `${this.source.name}: ${trace.seconds.toFixed(1)} s denoised in ${seconds.toFixed(2)} s, ` +
                `${Math.round(this.timesRealTime)} times real time.`,
        );
        this.onTrace();
    }

    /** Start the microphone, or end it and keep what came in as the recording. */
    async toggleMicrophone() {
        const { find, data, settings } = this;
        find("microphone").disabled = true; // until it has started, or stopped
        await this.guarded(async () => {
            if (this.live === null) {
                this.loadModel();
                const { attenuation } = settings;
                const facts = this.core.facts();
                const { image, neighbours } = settings;
                const options = { wasm: data.wasm, image, neighbours, attenuation, listen: find("listen").value };
                this.live = await Live.start(data.worklet, options, facts, this.view, () => this.toggleMicrophone());
                this.say("Listening. The microphone stays on this page; press the button again to stop.");
            } else {
                const { live } = this;
                this.live = null;
                this.take = await live.stop();
                const bytes = writeWav(this.take.before, live.facts.rate);
                await this.open("microphone", bytes);
            }
        });
        find("microphone").disabled = false;
        find("microphone").setAttribute("aria-pressed", this.live !== null);
        find("microphone").textContent = this.live === null ? "Use the microphone" : "Stop the microphone";
    }

    /** Heed a change of the settings. */
    async changed(what) {
        if (this.live === null) {
            await this.refresh();
        } else if (what === "limit") {
            this.live.set({ attenuation: this.settings.attenuation });
        } else {
            await this.toggleMicrophone();
        }
    }

    /** Add a model image, chosen by the reader. */
    openImage(name, bytes) {
        this.settings.add({ title: name, images: [{ label: "", image: bytes }] });
    }

    offer(samples, rate) {
        const link = this.find("download");
        URL.revokeObjectURL(link.href);
        link.href = URL.createObjectURL(new Blob([writeWav(samples, rate)], { type: "audio/wav" }));
        link.download = `${this.source.name.replace(/\.[^.]*$/, "")}-denoised.wav`;
        link.hidden = false;
    }

    async guarded(work) {
        this.find("fault").textContent = "";
        try {
            await work();
        } catch (error) {
            this.find("fault").textContent = error.message;
        }
    }

    say(text) {
        this.find("status").textContent = text;
    }
}

/** Return a playground on this page. */
export async function openPlayground(find, data) {
    return new Playground(find, data, await Core.compile(data.wasm));
}
