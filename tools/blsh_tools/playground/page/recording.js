// SPDX-License-Identifier: Apache-2.0
import { toInt16 } from "./samples.js";
import { readWav } from "./wav.js";

/** What a page keeps in memory: beyond, a recording is cut. */
export const MOST_SECONDS = 120;

/**
 * Return the recording in `bytes`, a sound file, as an Int16Array at `rate` Hz, mono. A WAV file of 16 bits and this
 * rate is taken as it is; of any other the browser makes one. Rejects with an Error for what is no sound.
 */
export async function readRecording(bytes, rate) {
    const wav = readWav(bytes);
    const samples = wav !== null && wav.rate === rate ? wav.samples : await decoded(bytes, rate);
    if (samples.length === 0) {
        throw new Error("the file holds no samples; choose a recording");
    }
    return samples.subarray(0, MOST_SECONDS * rate);
}

async function decoded(bytes, rate) {
    const context = new OfflineAudioContext(1, 1, rate);
    let buffer;
    try {
        buffer = await context.decodeAudioData(bytes.slice().buffer);
    } catch {
        throw new Error("this browser finds no sound in the file; choose a WAV, FLAC, MP3 or Ogg file");
    }
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
    const samples = new Int16Array(buffer.length);
    for (let at = 0; at < samples.length; at++) {
        let sum = 0;
        for (const channel of channels) {
            sum += channel[at];
        }
        samples[at] = toInt16(sum / channels.length);
    }
    return samples;
}
