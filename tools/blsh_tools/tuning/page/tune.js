// SPDX-License-Identifier: Apache-2.0
// Play one recording with different settings, switching between them at the same position.
"use strict";

const find = (id) => document.getElementById(id);
const data = JSON.parse(find("data").textContent);
const names = data.voting ? ["attenuation", "smoothing", "smoothing_down"] : ["attenuation", "smoothing"];
const NO_LIMIT = 255; // what the model calls "off"
const OFF_PLACE = 61; // its place on the slider, behind 60 dB
const FADE_S = 0.008; // long enough that switching does not click
const WAIT_MS = 250; // a slider that is still moving asks for nothing
const MOST_CHOICES = 9; // as many as there are keys

const audio = new AudioContext();
const choices = []; // {label, values, buffer}: what can be heard; the noisy recording first
let heard = 0; // the choice that is played
let source = null; // {node, gain}: what sounds now
let offset = 0; // where it began, in seconds of the recording
let began = 0; // when it began, by the clock of `audio`
let timer = null;
let asked = 0; // counts requests, so that a late answer does not replace a newer one

function say(text, fault = false) {
    find("status").textContent = text;
    find("status").classList.toggle("fault", fault);
}

function position() {
    const at = source === null ? offset : offset + audio.currentTime - began;
    return data.seconds > 0 ? at % data.seconds : 0;
}

function stop() {
    if (source !== null) {
        offset = position();
        source.gain.gain.setTargetAtTime(0, audio.currentTime, FADE_S / 3);
        source.node.stop(audio.currentTime + FADE_S);
        source = null;
    }
}

// Play the choice that is heard from `at`; the recording repeats.
function start(at) {
    stop();
    const node = new AudioBufferSourceNode(audio, { buffer: choices[heard].buffer, loop: true });
    const gain = new GainNode(audio, { gain: 0 });
    node.connect(gain).connect(audio.destination);
    gain.gain.setTargetAtTime(1, audio.currentTime, FADE_S / 3);
    offset = at;
    began = audio.currentTime;
    node.start(0, at);
    source = { node, gain };
}

async function play() {
    if (source === null) {
        await audio.resume();
        start(offset);
    } else {
        stop();
    }
    find("play").textContent = source === null ? "Play" : "Pause";
}

function hear(number) {
    if (number < choices.length) {
        heard = number;
        if (source !== null) {
            start(position());
        }
        showChoices();
    }
}

function limitText(limit) {
    return limit === NO_LIMIT ? "no limit" : `${limit} dB`;
}

function label(values) {
    const smoothing = data.voting ? `${values.smoothing}/${values.smoothing_down}` : `${values.smoothing}`;
    return `${limitText(values.attenuation)}, smoothing ${smoothing}`;
}

function showChoices() {
    const buttons = choices.map((choice, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = choice.label;
        button.setAttribute("aria-pressed", String(number === heard));
        button.addEventListener("click", () => {
            hear(number);
            if (choice.values !== null) {
                showValues(choice.values);
            }
        });
        return button;
    });
    const focused = [...find("choices").children].indexOf(document.activeElement);
    find("choices").replaceChildren(...buttons);
    if (focused >= 0) {
        buttons[Math.min(focused, buttons.length - 1)].focus();
    }
}

function showValues(values) {
    for (const name of names) {
        const off = name === "attenuation" && values[name] === NO_LIMIT;
        find(name).value = off ? OFF_PLACE : values[name];
    }
    tellValues();
}

function chosenValues() {
    const values = {};
    for (const name of names) {
        const value = Number(find(name).value);
        values[name] = name === "attenuation" && value === OFF_PLACE ? NO_LIMIT : value;
    }
    return values;
}

function tellValues() {
    const values = chosenValues();
    for (const name of names) {
        const told = name === "attenuation" ? limitText(values[name]) : `${values[name]} of 16`;
        find(`${name}-told`).textContent = told;
        find(name).setAttribute("aria-valuetext", told);
    }
}

// The values as the server takes them.
function sent(values) {
    return { ...values, attenuation: values.attenuation === NO_LIMIT ? data.off : values.attenuation };
}

async function load(address) {
    const answer = await fetch(address);
    if (!answer.ok) {
        throw new Error((await answer.json()).error);
    }
    return audio.decodeAudioData(await answer.arrayBuffer());
}

// Make the values on the sliders a choice, if they are none yet, and play it.
async function tryValues() {
    const values = chosenValues();
    const known = choices.findIndex((choice) => choice.label === label(values));
    if (known >= 0) {
        hear(known);
        return;
    }
    asked += 1;
    const mine = asked;
    say(`Denoising with ${label(values)} …`);
    try {
        const buffer = await load(`denoised.wav?${new URLSearchParams(sent(values))}`);
        if (mine !== asked) {
            return;
        }
        if (choices.length === MOST_CHOICES) {
            choices.splice(1, 1); // the oldest; the noisy recording stays
        }
        choices.push({ label: label(values), values, buffer });
        hear(choices.length - 1);
        say(`Ready: ${label(values)}`);
    } catch (error) {
        say(error.message, true);
    }
}

async function post(address, content) {
    const answer = await fetch(address, { method: "POST", body: JSON.stringify(content) });
    const result = await answer.json();
    if (!answer.ok) {
        throw new Error(result.error);
    }
    return result.told;
}

async function submit(address, content) {
    try {
        say(await post(address, content));
    } catch (error) {
        say(error.message, true);
    }
}

function tick() {
    find("position").value = position();
    find("time").textContent = `${position().toFixed(1)} s`;
    requestAnimationFrame(tick);
}

function listen() {
    find("position").max = data.seconds;
    find("play").addEventListener("click", play);
    find("position").addEventListener("input", (event) => {
        const at = Math.min(Number(event.target.value), Math.max(0, data.seconds - 0.01));
        if (source === null) {
            offset = at;
        } else {
            start(at);
        }
    });
    for (const name of names) {
        find(name).addEventListener("input", () => {
            tellValues();
            clearTimeout(timer);
            timer = setTimeout(tryValues, WAIT_MS);
        });
    }
    find("own").addEventListener("click", () => {
        showValues(data.own);
        tryValues();
    });
    find("write").addEventListener("click", () => submit("write", sent(chosenValues())));
    find("done").addEventListener("click", async () => {
        stop();
        await submit("done", {});
        say("Closed: go back to the terminal, `blsh run` uses what was written.");
    });
    document.addEventListener("keydown", (event) => {
        if (event.target.tagName === "BUTTON" && event.key === " ") {
            return;
        }
        if (event.key === " ") {
            event.preventDefault();
            play();
        } else if (/^[1-9]$/.test(event.key)) {
            find("choices").children[Number(event.key) - 1]?.click();
        }
    });
}

async function begin() {
    try {
        choices.push({ label: "Noisy", values: null, buffer: await load("noisy.wav") });
        showValues(data.start);
        listen();
        await tryValues();
        tick();
        document.body.dataset.ready = "true";
    } catch (error) {
        say(error.message, true);
    }
}

begin();
