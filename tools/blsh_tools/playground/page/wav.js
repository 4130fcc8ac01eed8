// SPDX-License-Identifier: Apache-2.0

const PCM = 1;
const HEAD_BYTES = 44;

/**
 * Return {rate, samples} of a WAV file of 16-bit PCM, the mean of its channels as an Int16Array, rounded half up as
 * `blsh denoise` does; null for any other file.
 */
export function readWav(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEAD_BYTES || tag(bytes, 0) !== "RIFF" || tag(bytes, 8) !== "WAVE") {
        return null;
    }
    let format = null;
    for (let at = 12; at + 8 <= bytes.length; ) {
        const [name, size] = [tag(bytes, at), view.getUint32(at + 4, true)];
        const start = at + 8;
        if (name === "fmt " && start + 16 <= bytes.length) {
            format = {
                kind: view.getUint16(start, true),
                channels: view.getUint16(start + 2, true),
                rate: view.getUint32(start + 4, true),
                bits: view.getUint16(start + 14, true),
            };
        } else if (name === "data") {
            if (format === null || format.kind !== PCM || format.bits !== 16 || format.channels < 1) {
                return null;
            }
            const end = Math.min(start + size, bytes.length);
            return { rate: format.rate, samples: mean(view, start, end, format.channels) };
        }
        at = start + size + (size % 2);
    }
    return null;
}

function tag(bytes, at) {
    return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function mean(view, start, end, channels) {
    const samples = new Int16Array(Math.floor((end - start) / (2 * channels)));
    for (let frame = 0; frame < samples.length; frame++) {
        let sum = 0;
        for (let channel = 0; channel < channels; channel++) {
            sum += view.getInt16(start + 2 * (frame * channels + channel), true);
        }
        samples[frame] = Math.floor(sum / channels + 0.5);
    }
    return samples;
}

/** Return `samples`, an Int16Array, as the bytes of a mono WAV file. */
export function writeWav(samples, rate) {
    const bytes = new Uint8Array(HEAD_BYTES + 2 * samples.length);
    const view = new DataView(bytes.buffer);
    const put = (at, text) => bytes.set(Array.from(text, (letter) => letter.charCodeAt(0)), at);
    put(0, "RIFF");
    view.setUint32(4, bytes.length - 8, true);
    put(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, PCM, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, rate, true);
    view.setUint32(28, 2 * rate, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    put(36, "data");
    view.setUint32(40, 2 * samples.length, true);
    samples.forEach((sample, at) => view.setInt16(HEAD_BYTES + 2 * at, sample, true));
    return bytes;
}
