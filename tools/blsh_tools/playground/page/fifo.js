// SPDX-License-Identifier: Apache-2.0

/** Samples that wait, first in, first out, at most `room` of them. */
export class Fifo {
    constructor(room) {
        this.values = new Int16Array(room);
        this.first = 0;
        this.length = 0;
    }

    /** Add a sample; returns false, and adds nothing, where there is no room. */
    push(sample) {
        if (this.length === this.values.length) {
            return false;
        }
        this.values[(this.first + this.length++) % this.values.length] = sample;
        return true;
    }

    /** Take the oldest sample, 0 where there is none. */
    shift() {
        if (this.length === 0) {
            return 0;
        }
        const sample = this.values[this.first];
        this.first = (this.first + 1) % this.values.length;
        this.length--;
        return sample;
    }
}
