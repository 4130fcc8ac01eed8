// SPDX-License-Identifier: Apache-2.0
import { BoardPanel } from "./board_panel.js";
import { pageData } from "./data.js";
import { onFile } from "./drop.js";
import { openPlayground } from "./playground.js";
import { onThemeChange } from "./theme.js";

const find = (id) => document.getElementById(id);
const data = pageData();
const playground = await openPlayground(find, data);
const { players, view, settings } = playground;

const panel = new BoardPanel(find, data, {
    samples: (rate) => playground.samples(rate),
    image: () => settings.image,
    neighbours: () => settings.neighbours,
    attenuation: () => settings.attenuation,
    take: (samples, rate) => {
        find("player-board").hidden = false;
        players.load(find("player-board"), samples, rate);
    },
});
playground.onTrace = () => panel.refresh(true);

onFile(find("file"), find("drop"), async (file) => {
    await playground.open(file.name, new Uint8Array(await file.arrayBuffer()));
});
find("image-file").addEventListener("change", async ({ target }) => {
    const [file] = target.files;
    playground.openImage(file.name, new Uint8Array(await file.arrayBuffer()));
    target.value = "";
});
find("microphone").addEventListener("click", () => playground.toggleMicrophone());
find("listen").addEventListener("change", ({ target }) => playground.live?.set({ listen: target.value }));
find("sample").hidden = data.sample === null;
find("sample").addEventListener("click", () => playground.open("sample", data.sample));
find("switch").addEventListener("click", () => players.next());
document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
    const typing = target.closest("input, select, textarea") !== null;
    if (key.toLowerCase() === "s" && !typing && !ctrlKey && !metaKey && !altKey && !find("switch").disabled) {
        players.next();
    }
});
for (const name of ["before", "after"]) {
    find(`spectrogram-${name}`).addEventListener("click", ({ offsetX, target }) => {
        if (playground.trace !== null && playground.live === null) {
            players.seek((offsetX / target.clientWidth) * playground.trace.seconds);
        }
    });
}
for (const element of players.elements) {
    for (const event of ["seeked", "pause", "timeupdate"]) {
        element.addEventListener(event, () => element === players.current && view.moment(players.seconds));
    }
}
(function follow() {
    if (players.playing) {
        view.moment(players.seconds);
    }
    requestAnimationFrame(follow);
})();
onThemeChange(() => view.redraw());
let resized = 0;
window.addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => view.redraw(), 200);
});

window.playground = { ...window.playground, page: playground, panel };
await playground.refresh();
