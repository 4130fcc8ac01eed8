// SPDX-License-Identifier: Apache-2.0
import { colour } from "./theme.js";

const MOST_DB = 40;

/** Draw speech activity, as an area, and reduction, as a line from the top, over the time of a Trace. */
export function drawTimeline(canvas, trace) {
    canvas.width = Math.max(200, canvas.clientWidth);
    canvas.height = 64;
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const hopAt = (x) => trace.hopAt((x / width) * trace.seconds);
    context.fillStyle = colour("--activity");
    for (let x = 0; x < width; x++) {
        const tall = (trace.activity[hopAt(x)] / 255) * height;
        context.fillRect(x, height - tall, 1, tall);
    }
    context.strokeStyle = colour("--reduction");
    context.lineWidth = 1.5;
    context.beginPath();
    for (let x = 0; x < width; x++) {
        context.lineTo(x, 1 + (Math.min(MOST_DB, trace.reduction[hopAt(x)]) / MOST_DB) * (height - 2));
    }
    context.stroke();
}
