// SPDX-License-Identifier: Apache-2.0

/** Return the bytes that `text` holds in base64. */
export function bytesOf(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Return `bytes` as text in base64. */
export function base64Of(bytes) {
    let letters = "";
    for (let at = 0; at < bytes.length; at += 4096) {
        letters += String.fromCharCode(...bytes.subarray(at, at + 4096));
    }
    return btoa(letters);
}
