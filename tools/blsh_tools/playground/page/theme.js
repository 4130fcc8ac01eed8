// SPDX-License-Identifier: Apache-2.0

/** Return the colour that the style sheet has under `name` in the present theme. */
export function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Call `redraw` when the reader goes over from light to dark, or back. */
export function onThemeChange(redraw) {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
