// SPDX-License-Identifier: Apache-2.0
import { writeWav } from "./wav.js";

/** Several audio elements of one recording, in step: one starts where another was, and stops that one. */
export class Players {
    /** elements: audio elements in the order in which `next` goes through them. */
    constructor(elements) {
        this.elements = elements;
        this.current = elements[0];
        for (const element of elements) {
            element.addEventListener("play", () => this.take(element));
        }
    }

    /** Whether any of them plays. */
    get playing() {
        return !this.current.paused;
    }

    /** The moment that is heard, in seconds. */
    get seconds() {
        return this.current.currentTime;
    }

    /** Give `element` the sound `samples`, an Int16Array at `rate` Hz. */
    load(element, samples, rate) {
        const at = element.currentTime;
        const playing = !element.paused;
        URL.revokeObjectURL(element.src);
        element.src = URL.createObjectURL(new Blob([writeWav(samples, rate)], { type: "audio/wav" }));
        element.currentTime = Math.min(at, samples.length / rate);
        if (playing) {
            start(element);
        }
    }

    /** Go over to the next one that has a sound, in the middle of it. */
    next() {
        const loaded = this.elements.filter((element) => element.src);
        const to = loaded[(loaded.indexOf(this.current) + 1) % loaded.length];
        to.currentTime = this.current.ended ? 0 : this.current.currentTime;
        this.take(to); // now, and not by its event: a second call may come before that
        start(to);
    }

    /** Move all to `seconds`. */
    seek(seconds) {
        for (const element of this.elements) {
            element.currentTime = seconds;
        }
    }

    take(element) {
        if (element !== this.current) {
            if (!this.current.paused) {
                element.currentTime = this.current.currentTime;
                this.current.pause();
            }
            this.current = element;
        }
    }
}

/** Play. What pauses it meanwhile, or a browser that refuses, shows in the player itself and is no fault. */
function start(element) {
    element.play().catch(() => {});
}
