// SPDX-License-Identifier: Apache-2.0

/** The microphone through the denoiser, on the audio thread. */
export class Microphone {
    /**
     * Open the microphone and start. Rejects with an Error that says what to do where the browser refuses.
     * worklet: the text of worklet.js with all that it imports. options: see Denoiser of worklet.js. rate: Hz.
     * take: called with each report of the worklet.
     */
    static async start(worklet, options, rate, take) {
        if (!navigator.mediaDevices || !window.AudioWorkletNode) {
            throw new Error("browsers open the microphone for https, localhost and files only; open the page that way");
        }
        const stream = await granted();
        const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
        try {
            // not a blob's address: Chrome loads none for the audio thread of a page that was opened from the disk
            const address = `data:text/javascript;charset=utf-8,${encodeURIComponent(worklet)}`;
            await context.audioWorklet.addModule(address);
            const node = new AudioWorkletNode(context, "denoiser", {
                numberOfInputs: 1,
                outputChannelCount: [1],
                channelCount: 1,
                channelCountMode: "explicit",
                processorOptions: options,
            });
            context.createMediaStreamSource(stream).connect(node).connect(context.destination);
            return new Microphone(stream, context, node, take);
        } catch (error) {
            end(stream, context);
            throw new Error(`this browser cannot take sound at ${rate} Hz: ${error.message}`, { cause: error });
        }
    }

    constructor(stream, context, node, take) {
        Object.assign(this, { stream, context, node });
        this.ended = new Promise((resolve) => {
            node.port.onmessage = ({ data }) => (data.ended ? resolve() : take(data));
        });
    }

    /** Change the limit, or what is heard: see Denoiser.set of worklet.js. */
    set(options) {
        this.node.port.postMessage(options);
    }

    /** Stop, and wait until the last report has come. */
    async stop() {
        this.set({ end: true });
        await this.ended;
        end(this.stream, this.context);
    }
}

/** Ask for the microphone, without the browser's own denoiser. */
async function granted() {
    try {
        return await navigator.mediaDevices.getUserMedia({
            audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        });
    } catch (error) {
        throw new Error(`no microphone: ${error.message}; allow it for this page, or choose a recording`, {
            cause: error,
        });
    }
}

function end(stream, context) {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
}
