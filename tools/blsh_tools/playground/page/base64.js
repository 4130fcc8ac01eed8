// SPDX-License-Identifier: Apache-2.0

/** Return the bytes that `text` holds in base64. */
export function bytesOf(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
