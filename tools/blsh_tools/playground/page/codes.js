// SPDX-License-Identifier: Apache-2.0
import { colour } from "./theme.js";

const ROW_BITS = 32;
const CELL = 12;
const MOST_COLUMNS = 1200;
const MOST_ENTRIES = 256;
const WEIGHTED_BITS = 32; // a neighbour that lies farther behind the nearest has no vote
const MOST_ROWS = 16;

/** Draw the bits of all codes of a Trace: a row for each bit, a column for each hop or, of many, for every n-th one. */
export function drawRaster(canvas, trace) {
    const bits = trace.facts.bits;
    canvas.width = Math.min(MOST_COLUMNS, trace.hops);
    canvas.height = bits;
    const context = canvas.getContext("2d");
    context.fillStyle = colour("--cell");
    context.fillRect(0, 0, canvas.width, bits);
    context.fillStyle = colour("--accent");
    for (let column = 0; column < canvas.width; column++) {
        const { code } = trace.of(Math.floor((column * trace.hops) / canvas.width));
        for (let bit = 0; bit < bits; bit++) {
            if (isSet(code, bit)) {
                context.fillRect(column, bit, 1, 1);
            }
        }
    }
}

/** Draw the bits of one code as cells, the lowest first, 32 a row. */
export function drawCode(canvas, code, bits) {
    const context = fitted(canvas, ROW_BITS, Math.ceil(bits / ROW_BITS));
    for (let bit = 0; bit < bits; bit++) {
        context.fillStyle = colour(isSet(code, bit) ? "--accent" : "--cell");
        context.fillRect((bit % ROW_BITS) * CELL, Math.floor(bit / ROW_BITS) * CELL, CELL - 2, CELL - 2);
    }
}

/** Draw where the neighbours lie: a row for each dictionary, a column for each entry; the nearer, the stronger. */
export function drawNeighbours(canvas, found, facts) {
    const { dictionaries, entries, neighbours } = facts;
    const columns = Math.min(entries, MOST_ENTRIES);
    const context = fitted(canvas, columns, dictionaries);
    context.fillStyle = colour("--cell");
    for (let row = 0; row < dictionaries; row++) {
        for (let column = 0; column < columns; column++) {
            context.fillRect(column * CELL, row * CELL, CELL - 2, CELL - 2);
        }
    }
    context.fillStyle = colour("--accent");
    eachNeighbour(found, dictionaries, neighbours, (row, index, distance, nearest) => {
        const column = Math.floor(((index - row * entries) * columns) / entries);
        context.globalAlpha = Math.max(0.25, 1 - (distance - nearest) / WEIGHTED_BITS);
        context.fillRect(column * CELL, row * CELL, CELL - 2, CELL - 2);
    });
    context.globalAlpha = 1;
}

/** Fill the body of a table with a row for each dictionary: its nearest entry, and how far the K neighbours are. */
export function listNeighbours(body, found, facts) {
    const rows = [];
    for (let row = 0; row < Math.min(facts.dictionaries, MOST_ROWS); row++) {
        const first = 2 * row * facts.neighbours;
        const last = first + 2 * (facts.neighbours - 1);
        rows.push([row + 1, found[first] - row * facts.entries, `${found[first + 1]} to ${found[last + 1]}`]);
    }
    while (body.rows.length > rows.length) {
        body.deleteRow(-1);
    }
    rows.forEach((cells, at) => {
        const row = body.rows[at] ?? body.insertRow();
        cells.forEach((text, column) => ((row.cells[column] ?? row.insertCell()).textContent = text));
    });
}

function eachNeighbour(found, dictionaries, neighbours, take) {
    for (let row = 0; row < dictionaries; row++) {
        const first = 2 * row * neighbours;
        for (let rank = neighbours - 1; rank >= 0; rank--) {
            take(row, found[first + 2 * rank], found[first + 2 * rank + 1], found[first + 1]);
        }
    }
}

function fitted(canvas, columns, rows) {
    if (canvas.width !== columns * CELL || canvas.height !== rows * CELL) {
        canvas.width = columns * CELL;
        canvas.height = rows * CELL;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    return context;
}

function isSet(code, bit) {
    return ((code[bit >>> 5] >>> (bit & 31)) & 1) === 1;
}
