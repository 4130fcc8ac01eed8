// SPDX-License-Identifier: Apache-2.0
import { Microphone } from "./microphone.js";
import { MOST_SECONDS } from "./recording.js";

/** A session with the microphone: what came in and what went out, hop by hop, while the view shows it. */
export class Live {
    /** options: of the worklet, see Denoiser of worklet.js. facts: of the model. full: called when the time is up. */
    static async start(worklet, options, facts, view, full) {
        const live = new Live(facts, view, full);
        live.microphone = await Microphone.start(worklet, options, facts.rate, (report) => live.take(report));
        view.live(facts);
        return live;
    }

    constructor(facts, view, full) {
        Object.assign(this, { facts, view, full });
        this.hops = [];
    }

    set(options) {
        this.microphone.set(options);
    }

    take(report) {
        const room = Math.floor((MOST_SECONDS * this.facts.rate) / this.facts.hop) - this.hops.length;
        this.hops.push(...report.hops.slice(0, room));
        this.view.report(report);
        if (room <= report.hops.length) {
            this.full();
        }
    }

    /** Stop; return what came in and what went out, `before` and `after`, Int16Arrays of whole hops. */
    async stop() {
        await this.microphone.stop();
        return { before: this.joined("before"), after: this.joined("after") };
    }

    joined(name) {
        const { hop } = this.facts;
        const all = new Int16Array(this.hops.length * hop);
        this.hops.forEach((each, at) => all.set(each[name], at * hop));
        return all;
    }
}
