// SPDX-License-Identifier: Apache-2.0
import { Board } from "./board.js";
import { hello, sameModel, streamThrough } from "./board_stream.js";
import { Core } from "./core.js";

/** The part of the page that sends the recording through a board. */
export class BoardPanel {
    /**
     * data: of the page. page: what the panel asks of the rest: `samples(rate)`, `image()`, `neighbours()`,
     * `attenuation()`, and `take(samples, rate)`, which is given the board's sound.
     */
    constructor(find, data, page) {
        Object.assign(this, { find, data, page });
        this.board = null;
        this.busy = false;
        const { serial } = navigator;
        if (serial) {
            find("connect").disabled = false;
            find("connect").addEventListener("click", () => this.guarded(() => this.toggle(serial)));
            find("send").addEventListener("click", () => this.guarded(() => this.send()));
        } else {
            this.say("This browser has no Web Serial: Chrome, Edge and Opera have it, for https, localhost and files.");
        }
    }

    /** Allow sending once there are both a board and a recording. */
    refresh(hasRecording) {
        this.hasRecording = hasRecording;
        this.find("send").disabled = this.busy || this.board === null || !hasRecording;
    }

    async toggle(serial) {
        if (this.board !== null) {
            await this.leave();
            this.say("Disconnected.");
            return;
        }
        await this.connect(await serial.requestPort());
    }

    async connect(port) {
        const board = new Board(port, this.data.wire);
        await board.open(Number(this.find("baud").value));
        this.board = board;
        try {
            this.identity = await hello(board);
        } catch (error) {
            await this.leave();
            throw error;
        }
        this.find("connect").textContent = "Disconnect";
        const { board: name, core, model, rate_hz: rate, hop } = this.identity;
        this.say(`${name} (${core}) runs the model ${model}: ${rate} Hz, hops of ${hop} samples.`);
    }

    async leave() {
        const { board } = this;
        this.board = null;
        this.find("connect").textContent = "Connect a board";
        await board?.close().catch(() => {});
    }

    async send() {
        const { rate_hz: rate, hop, synthesis } = this.identity;
        const samples = await this.page.samples(rate);
        const core = await this.coreOfBoard();
        const tell = (done, all) => this.say(`Hop ${done} of ${all}.`);
        const delay = synthesis - hop;
        const found = await streamThrough(this.board, { hop, delay }, samples, this.page.attenuation(), core, tell);
        this.result = found;
        this.page.take(found.output, rate);
        const verdict =
            core === null
                ? "The board runs another model than the one chosen above: compare by ear, or choose its model."
                : `${found.equal} of ${found.hops} hops are equal bit for bit, in all eight stages.`;
        this.say(`${found.hops} hops done. ${verdict}`);
    }

    /** Return a core with the chosen model if the board runs that one, else null. */
    async coreOfBoard() {
        const core = await Core.compile(this.data.wasm);
        core.load(this.page.image(), this.page.neighbours());
        return sameModel(this.identity, core.facts()) ? core : null;
    }

    async guarded(work) {
        this.busy = true;
        this.refresh(this.hasRecording);
        try {
            await work();
        } catch (error) {
            this.say(error.name === "NotFoundError" ? "No port was chosen." : error.message);
        } finally {
            this.busy = false;
            this.refresh(this.hasRecording);
        }
    }

    say(text) {
        this.find("board-status").textContent = text;
    }
}
