// SPDX-License-Identifier: Apache-2.0
import { drawCode, drawNeighbours, drawRaster, listNeighbours } from "./codes.js";
import { Meters } from "./meters.js";
import { levelDb } from "./samples.js";
import { Spectrogram } from "./spectrogram.js";
import { drawTimeline } from "./timeline.js";

const LEVEL_S = 0.05; // of the sound whose level a meter shows

/** What the page shows of sound: spectrograms, meters, codes and neighbours, of a Trace or of what comes in live. */
export class View {
    constructor(find) {
        this.find = find;
        this.before = new Spectrogram(find("spectrogram-before"));
        this.after = new Spectrogram(find("spectrogram-after"));
        this.meters = new Meters(find);
        this.heads = document.querySelectorAll(".playhead");
        this.trace = null;
        this.seconds = 0;
    }

    /** Show all of a recording, and the moment `seconds` of it. */
    show(trace, seconds) {
        this.trace = trace;
        this.seconds = Math.min(seconds, trace.seconds);
        this.reveal(true);
        this.redraw();
    }

    /** Draw everything anew, for another width or theme. */
    redraw() {
        const { trace, find } = this;
        if (trace === null) {
            return;
        }
        const { rate } = trace.facts;
        for (const [name, samples] of [
            ["before", trace.before],
            ["after", trace.after],
        ]) {
            this[name].draw(samples, rate);
            const told = `${trace.seconds.toFixed(1)} seconds, level ${levelDb(samples).toFixed(0)} dB`;
            find(`spectrogram-${name}`).setAttribute("aria-label", `Spectrogram, ${name}: ${told}`);
        }
        drawTimeline(find("timeline"), trace);
        drawRaster(find("raster"), trace);
        this.moment(this.seconds);
    }

    /** Show the moment `seconds` of the recording. */
    moment(seconds) {
        const { trace } = this;
        if (trace === null) {
            return;
        }
        this.seconds = seconds;
        const { rate } = trace.facts;
        const hop = trace.hopAt(seconds);
        const end = Math.round(seconds * rate);
        const level = (samples) => levelDb(samples.subarray(Math.max(0, end - LEVEL_S * rate), Math.max(1, end)));
        this.heads.forEach((head) => head.style.setProperty("--at", `${(100 * seconds) / trace.seconds}%`));
        this.meters.show({
            before: level(trace.before),
            after: level(trace.after),
            activity: trace.activity[hop],
            reduction: trace.reduction[hop],
        });
        this.found(trace.of(hop), trace.facts, `Hop ${hop + 1} of ${trace.hops}.`);
    }

    /** Make room for sound that comes in at the rate of `facts`. */
    live(facts) {
        this.trace = null;
        this.facts = facts;
        this.before.clear(facts.rate);
        this.after.clear(facts.rate);
        this.reveal(false);
    }

    /** Show a report of the worklet: the hops since the one before, and what the last of them told. */
    report({ hops, activity, reduction, code, found }) {
        if (hops.length === 0) {
            return;
        }
        for (const { before, after } of hops) {
            this.before.push(before);
            this.after.push(after);
        }
        const { before, after } = hops[hops.length - 1];
        this.meters.show({ before: levelDb(before), after: levelDb(after), activity, reduction });
        this.found({ code, found }, this.facts, "");
    }

    found({ code, found }, facts, name) {
        drawCode(this.find("code"), code, facts.bits);
        drawNeighbours(this.find("neighbour-map"), found, facts);
        listNeighbours(this.find("neighbour-rows"), found, facts);
        this.find("hop-name").textContent = name;
    }

    reveal(whole) {
        this.find("codes").hidden = false;
        this.find("timeline-figure").hidden = !whole;
        this.find("raster-figure").hidden = !whole;
        this.heads.forEach((head) => (head.hidden = !whole));
    }
}
