// SPDX-License-Identifier: Apache-2.0
import { Trace } from "./trace.js";

const BREATH_MS = 40; // between two breaths the page does not react

/**
 * Return the Trace of `samples`, Int16Array at the model's rate. It gives the page time to react meanwhile.
 * attenuation: 0 to 60 dB or ATTENUATION_OFF. stale: returns true once nobody wants the result; then null is returned.
 */
export async function denoise(core, samples, attenuation, stale) {
    const facts = core.facts();
    const trace = new Trace(facts, samples);
    core.restart(attenuation);
    let breath = performance.now();
    for (let hop = 0; hop < trace.hops; hop++) {
        core.input.fill(0);
        core.input.set(samples.subarray(hop * facts.hop, (hop + 1) * facts.hop));
        core.hop();
        trace.keep(core, hop);
        if (performance.now() - breath > BREATH_MS) {
            await new Promise((resume) => setTimeout(resume));
            if (stale()) {
                return null;
            }
            breath = performance.now();
        }
    }
    return trace;
}
