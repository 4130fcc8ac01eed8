// SPDX-License-Identifier: Apache-2.0

/** Transforms windows of `size` samples, a power of two, into magnitudes: for pictures alone. */
export class Fft {
    constructor(size) {
        this.size = size;
        this.re = new Float64Array(size);
        this.im = new Float64Array(size);
        this.window = Float64Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
        this.place = Uint32Array.from({ length: size }, (_, n) => reversed(n, Math.log2(size)));
        this.cos = Float64Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
        this.sin = Float64Array.from({ length: size / 2 }, (_, n) => Math.sin((2 * Math.PI * n) / size));
    }

    /** Write the level of each of size / 2 bins, in dB below a full-scale sine, of `samples` around `centre`. */
    levels(samples, centre, into) {
        const { size, re, im } = this;
        for (let n = 0; n < size; n++) {
            re[this.place[n]] = (samples[centre - size / 2 + n] ?? 0) * this.window[n];
        }
        im.fill(0);
        for (let half = 1; half < size; half *= 2) {
            this.butterflies(half);
        }
        const fullScale = (32768 * size) / 4;
        for (let bin = 0; bin < size / 2; bin++) {
            into[bin] = 20 * Math.log10(Math.hypot(re[bin], im[bin]) / fullScale + 1e-6);
        }
    }

    butterflies(half) {
        const { size, re, im, cos, sin } = this;
        const step = size / (2 * half);
        for (let block = 0; block < size; block += 2 * half) {
            for (let k = 0; k < half; k++) {
                const [a, b] = [block + k, block + k + half];
                const [c, s] = [cos[k * step], sin[k * step]];
                const turnedRe = re[b] * c + im[b] * s;
                const turnedIm = im[b] * c - re[b] * s;
                re[b] = re[a] - turnedRe;
                im[b] = im[a] - turnedIm;
                re[a] += turnedRe;
                im[a] += turnedIm;
            }
        }
    }
}

function reversed(number, bits) {
    let result = 0;
    for (let bit = 0; bit < bits; bit++) {
        result = (result << 1) | ((number >> bit) & 1);
    }
    return result;
}
