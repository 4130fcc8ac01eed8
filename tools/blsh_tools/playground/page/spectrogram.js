// SPDX-License-Identifier: Apache-2.0
import { Fft } from "./fft.js";
import { paint } from "./palette.js";

const FLOOR_DB = -100;
const TOP_DB = -15;
const WINDOW_S = 0.032;
const LIVE_SECONDS = 6;

/** A spectrogram on a canvas: of a whole recording, or moving, of what comes from the microphone. */
export class Spectrogram {
    constructor(canvas) {
        this.canvas = canvas;
        this.context = canvas.getContext("2d");
        this.clear(16000);
    }

    /** Forget what was drawn; what is pushed from now on is at `rate` Hz. */
    clear(rate) {
        const { canvas } = this;
        canvas.width = Math.max(200, Math.round(canvas.clientWidth * Math.min(2, devicePixelRatio)));
        canvas.height = 256;
        this.context.fillStyle = "#08081e";
        this.context.fillRect(0, 0, canvas.width, canvas.height);
        this.fft = new Fft(2 ** Math.round(Math.log2(WINDOW_S * rate)));
        this.levels = new Float64Array(this.fft.size / 2);
        this.rest = new Int16Array(0);
        this.step = Math.max(1, Math.round((LIVE_SECONDS * rate) / canvas.width));
    }

    /** Draw all of `samples`, an Int16Array at `rate` Hz. */
    draw(samples, rate) {
        this.clear(rate);
        const { width } = this.canvas;
        this.columns(samples, width, (column) => Math.floor(((column + 0.5) * samples.length) / width), 0);
    }

    /** Move the picture to the left, and draw `samples` at its right end. */
    push(samples) {
        const all = new Int16Array(this.rest.length + samples.length);
        all.set(this.rest);
        all.set(samples, this.rest.length);
        const { canvas, context, step, fft } = this;
        const count = Math.min(canvas.width, Math.max(0, Math.floor((all.length - fft.size) / step)));
        if (count > 0) {
            context.drawImage(canvas, -count, 0);
            this.columns(all, count, (column) => fft.size / 2 + column * step, canvas.width - count);
        }
        this.rest = all.slice(count * step);
    }

    columns(samples, count, centre, left) {
        const { canvas, context, fft, levels } = this;
        const image = context.createImageData(count, canvas.height);
        for (let column = 0; column < count; column++) {
            fft.levels(samples, centre(column), levels);
            for (let row = 0; row < canvas.height; row++) {
                const bin = Math.floor(((canvas.height - 1 - row) * levels.length) / canvas.height);
                paint(image.data, row * count + column, (levels[bin] - FLOOR_DB) / (TOP_DB - FLOOR_DB));
            }
        }
        context.putImageData(image, left, 0);
    }
}
