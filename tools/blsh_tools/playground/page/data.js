// SPDX-License-Identifier: Apache-2.0
import { bytesOf } from "./base64.js";

/**
 * Return what the page carries beside its modules: wasm (bytes of the module), models, wire (the protocol), faults (why
 * an image is refused, by its number), sample (a WAV file, or null) and worklet (the text of the audio thread's
 * module). A model has a name, a title for the list, and images: each a label and its bytes.
 */
export function pageData() {
    const data = JSON.parse(document.getElementById("data").textContent);
    return {
        ...data,
        wasm: bytesOf(data.wasm),
        sample: data.sample === null ? null : bytesOf(data.sample),
        worklet: document.getElementById("worklet").textContent,
        models: data.models.map((model) => ({
            name: model.name,
            title: model.title,
            images: model.images.map(({ label, image }) => ({ label, image: bytesOf(image) })),
        })),
    };
}
