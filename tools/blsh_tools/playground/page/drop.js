// SPDX-License-Identifier: Apache-2.0

/** Take a file that is dropped anywhere on the page, or chosen by `input`. take: called with the File. */
export function onFile(input, zone, take) {
    input.addEventListener("change", () => {
        if (input.files.length > 0) {
            take(input.files[0]);
            input.value = "";
        }
    });
    document.addEventListener("dragover", (event) => {
        event.preventDefault();
        zone.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
        if (event.relatedTarget === null) {
            zone.classList.remove("over");
        }
    });
    document.addEventListener("drop", (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        if (event.dataTransfer.files.length > 0) {
            take(event.dataTransfer.files[0]);
        }
    });
}
