# SPDX-License-Identifier: Apache-2.0
"""The card of a model and its latency, in rows for the page."""

from blsh_tools.bench.estimate_model import BoardEstimate
from blsh_tools.options.model import dictionary_size
from blsh_trainer.learning.joint.training_command import training_command
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attenuation import attenuation_text
from blsh_trainer.signals.geometry import CLASSES

Rows = list[tuple[str, str]]


def card_rows(model: AnyModel) -> Rows:
    """Return what the model is and what it was learned from."""
    geometry, corpus = model.geometry, model.card.get("corpus", {})
    named = next((name for name, each in CLASSES.items() if each == geometry), "none of the named ones")
    what = "votes" if model.mask_kind == "votes" else f"{model.mask_kind} masks"
    rows = [
        ("name", model.name),
        ("SHA-256", model.sha256),
        ("class", f"{named}, {geometry.rate_hz / 1000:g} kHz"),
        ("code", f"{model.bits} bits of {model.feature_kind} features"),
        ("dictionary", f"{dictionary_size(model)}, {what}, {model.neighbours} neighbours"),
        ("limit of attenuation", attenuation_text(model.attenuation)),
    ]
    if corpus:
        rows.append(("learned from", f"{corpus['name']}, SHA-256 {corpus['sha256']}"))
    valid = model.card.get("metrics", {}).get("valid")
    if valid:
        rows.append(("on its split valid", f"SI-SDR {valid['mean_improvement_db']:+.2f} dB at {valid['snr_db']:g} dB"))
    command = training_command(model)
    return rows if command is None else [*rows, ("trained by", command)]


def latency_rows(found: BoardEstimate) -> Rows:
    """Return from what the latency is made up."""
    geometry, needs = found.model.geometry, found.plan.estimate
    busy = needs.worst / found.board.clock_hz
    return [
        ("latency", f"{1000 * geometry.latency_s:g} ms from a sample's arrival to its output: buffering and overlap"),
        ("buffering", f"{1000 * geometry.hop_s:g} ms: a hop of {geometry.hop} samples"),
        ("overlap", f"{1000 * geometry.lag / geometry.rate_hz:g} ms: {geometry.lag} samples"),
        ("window", f"{geometry.window} samples, of which the last {geometry.synthesis} are resynthesised"),
        (f"time of a hop on {found.board.name}", f"{1000 * busy:.1f} ms besides, were each instruction one cycle"),
    ]
