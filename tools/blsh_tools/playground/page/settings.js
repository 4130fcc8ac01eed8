// SPDX-License-Identifier: Apache-2.0
import { ATTENUATION_OFF } from "./core.js";

const FIRST = "intercom"; // the class that most people try first

/** The controls of model, dictionary, neighbours and limit, and what they stand at. */
export class Settings {
    /** models: of pageData. changed: called with "model" or "limit" after a change. */
    constructor(find, models, changed) {
        this.find = find;
        this.models = models;
        this.changed = changed;
        this.neighbours = 0;
        models.forEach((model) => this.list(model));
        find("model").selectedIndex = Math.max(0, models.findIndex(({ name }) => name === FIRST));
        find("model").addEventListener("change", () => this.choose());
        find("dictionary").addEventListener("change", () => {
            this.neighbours = 0;
            changed("model");
        });
        find("neighbours").addEventListener("input", ({ target }) => {
            find("neighbours-value").textContent = target.value;
        });
        find("neighbours").addEventListener("change", ({ target }) => {
            this.neighbours = Number(target.value);
            changed("model");
        });
        find("limit").addEventListener("input", () => this.showLimit());
        find("limit").addEventListener("change", () => changed("limit"));
        find("no-limit").addEventListener("change", () => {
            this.showLimit();
            changed("limit");
        });
        this.showImages();
    }

    /** The model that is chosen. */
    get model() {
        return this.models[this.find("model").selectedIndex];
    }

    /** The image of it that is chosen. */
    get image() {
        return this.model.images[Math.max(0, this.find("dictionary").selectedIndex)].image;
    }

    /** The limit of attenuation: 0 to 60 dB, or ATTENUATION_OFF. */
    get attenuation() {
        return this.find("no-limit").checked ? ATTENUATION_OFF : Number(this.find("limit").value);
    }

    /** Add a model, and choose it. */
    add(model) {
        this.models.push(model);
        this.list(model);
        this.find("model").selectedIndex = this.models.length - 1;
        this.choose();
    }

    /** Show what the loaded model is, by its facts: how many neighbours there may be, and its own limit. */
    show(facts) {
        const { find } = this;
        const slider = find("neighbours");
        slider.max = facts.mostNeighbours;
        slider.value = facts.neighbours;
        find("neighbours-value").textContent = facts.neighbours;
        if (this.limitOf !== this.model) {
            this.limitOf = this.model;
            find("no-limit").checked = facts.attenuation === ATTENUATION_OFF;
            find("limit").value = facts.attenuation === ATTENUATION_OFF ? 20 : facts.attenuation;
            this.showLimit();
        }
    }

    list(model) {
        this.find("model").add(new Option(model.title));
    }

    choose() {
        this.neighbours = 0;
        this.showImages();
        this.changed("model");
    }

    showImages() {
        const { find } = this;
        const { images } = this.model;
        find("dictionary").replaceChildren(...images.map(({ label }) => new Option(label)));
        find("dictionary-field").hidden = images.length < 2;
    }

    showLimit() {
        const { find } = this;
        find("limit").disabled = find("no-limit").checked;
        find("limit-value").textContent = find("no-limit").checked ? "none" : `${find("limit").value} dB`;
    }
}
