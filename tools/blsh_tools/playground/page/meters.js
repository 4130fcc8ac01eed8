// SPDX-License-Identifier: Apache-2.0

const LEVEL_FLOOR_DB = -60;
const MOST_REDUCTION_DB = 40;

/** The four meters of the page, by what they show. */
export class Meters {
    constructor(find) {
        this.bars = Object.fromEntries(
            ["before", "after", "activity", "reduction"].map((name) => [name, find(`meter-${name}`)]),
        );
    }

    /** before, after: levels in dB of full scale. activity: 0 to 255. reduction: dB. */
    show({ before, after, activity, reduction }) {
        this.set("before", 1 - before / LEVEL_FLOOR_DB, `${before.toFixed(0)} dBFS`);
        this.set("after", 1 - after / LEVEL_FLOOR_DB, `${after.toFixed(0)} dBFS`);
        this.set("activity", activity / 255, `${activity} of 255`);
        this.set("reduction", reduction / MOST_REDUCTION_DB, `${reduction} dB`);
    }

    set(name, share, text) {
        const bar = this.bars[name];
        const percent = Math.round(100 * Math.max(0, Math.min(1, share)));
        bar.style.setProperty("--share", `${percent}%`);
        bar.setAttribute("aria-valuenow", percent);
        bar.setAttribute("aria-valuetext", text);
        bar.nextElementSibling.textContent = text;
    }
}
