// SPDX-License-Identifier: Apache-2.0

/** Return a number in [-1, 1) as an int16: rounded half up and saturated, as everywhere in this project. */
export function toInt16(value) {
    return Math.max(-32768, Math.min(32767, Math.floor(value * 32768 + 0.5)));
}

/** Return the level of `samples`, an Int16Array, in dB below full scale: -96 for silence. */
export function levelDb(samples) {
    let sum = 0;
    for (const sample of samples) {
        sum += sample * sample;
    }
    return Math.max(-96, 10 * Math.log10(sum / Math.max(1, samples.length) / 2 ** 30 || 1e-30));
}
