// SPDX-License-Identifier: Apache-2.0

// From dark to light, and lighter all the way, so that the picture can be read without colours, too.
const STOPS = [
    [0.0, 8, 8, 30],
    [0.3, 66, 20, 110],
    [0.55, 175, 50, 100],
    [0.78, 240, 120, 50],
    [1.0, 255, 245, 190],
];

/** Red, green and blue for 256 levels from 0 to 1, one after the other. */
export const PALETTE = Uint8ClampedArray.from({ length: 256 * 3 }, (_, at) => {
    const level = Math.floor(at / 3) / 255;
    const upper = Math.max(1, STOPS.findIndex(([from]) => from >= level));
    const [low, high] = [STOPS[upper - 1], STOPS[upper]];
    const share = (level - low[0]) / (high[0] - low[0]);
    return low[1 + (at % 3)] * (1 - share) + high[1 + (at % 3)] * share;
});

/** Write the colour of `level`, 0 to 1, at pixel `pixel` of `data`, the bytes of an ImageData. */
export function paint(data, pixel, level) {
    const at = 3 * Math.max(0, Math.min(255, Math.round(255 * level)));
    data.set(PALETTE.subarray(at, at + 3), 4 * pixel);
    data[4 * pixel + 3] = 255;
}
