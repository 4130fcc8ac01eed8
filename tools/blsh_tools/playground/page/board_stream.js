// SPDX-License-Identifier: Apache-2.0

const STREAM = 0xb15;
const DIGESTS = 1; // HopFlag.DIGESTS

/** Return what a board says of itself: the values of HELLO_REPLY. */
export async function hello(board) {
    const nonce = crypto.getRandomValues(new Uint32Array(1))[0];
    const values = await board.ask("HELLO", { host_nonce: nonce }, "HELLO_REPLY");
    if (values.host_nonce !== nonce) {
        throw new Error("another program talks to this board, too; close it and connect again");
    }
    return values;
}

/** Return whether the board, by its HELLO_REPLY, runs the model that a core has loaded, by its facts. */
export function sameModel(values, facts) {
    return (
        values.dictionary_crc32 === facts.dictionaryCrc32 &&
        values.neighbours === facts.neighbours &&
        values.bits === facts.bits &&
        values.hop === facts.hop &&
        values.rate_hz === facts.rate
    );
}

/**
 * Send a recording through the board, hop by hop.
 *
 * samples: Int16Array at the model's rate. delay: samples that the output lags. core: with the board's model, to
 * compare the digests of all stages with; null where the page has not got that model. tell: called with the hops that
 * are done, and all there are.
 * Returns {output, hops, equal}: the denoised recording, and how many hops had all eight stages equal.
 */
export async function streamThrough(board, { hop, delay }, samples, attenuation, core, tell) {
    await board.ask("RESET_STREAM", { stream: STREAM }, "DONE");
    core?.restart(attenuation);
    core?.exports.set_digests(1);
    const hops = Math.ceil((samples.length + delay) / hop);
    const output = new Int16Array(hops * hop);
    let equal = 0;
    for (let number = 0; number < hops; number++) {
        const input = new Int16Array(hop);
        input.set(samples.subarray(number * hop, (number + 1) * hop));
        const request = { hop: number % 65536, stream: STREAM, flags: DIGESTS, attenuation };
        const reply = await board.ask("HOP", { ...request, samples: new Uint8Array(input.buffer) }, "HOP_DONE");
        if (reply.integrity !== 0) {
            throw new Error(`the board passes sound through unprocessed: its integrity flags are ${reply.integrity}`);
        }
        const view = new DataView(reply.values.buffer);
        for (let at = 0; at < hop; at++) {
            output[number * hop + at] = view.getInt16(2 * at, true);
        }
        if (core !== null) {
            core.input.set(input);
            core.hop();
            equal += core.digests.every((digest, stage) => digest === view.getUint32(2 * hop + 4 * stage, true));
        }
        tell(number + 1, hops);
    }
    core?.exports.set_digests(0);
    return { output: output.subarray(delay, delay + samples.length), hops, equal };
}
