# SPDX-License-Identifier: Apache-2.0
"""Write the page about a model: one HTML file without a script, which loads nothing."""

from base64 import b64encode
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from blsh_hil.report.html import html_environment
from blsh_tools.playground.build_page import PAGE as PLAYGROUND
from blsh_tools.playground.build_page import style_sheet
from blsh_tools.report import charts
from blsh_tools.report.card_rows import card_rows, latency_rows
from blsh_tools.report.frontier import mixtures_in_words
from blsh_tools.report.make_report import Report
from blsh_tools.report.media import spectrogram_urls, wav_url
from blsh_tools.report.scores import difference_tables, forests, level_tables
from blsh_tools.report.stage_loss import DECIBELS, EQUAL_DB
from blsh_trainer.files import replacing
from blsh_trainer.model.attribution import attribution_text, licence_rows

PAGE: Final = Path(__file__).with_name("page")


def write_page(report: Report, output: Path) -> int:
    """Write the page to `output`, whole or not at all, and return its bytes."""
    text = render(report)
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(text.encode())


def render(report: Report) -> str:
    """Return the page as text."""
    environment = html_environment("blsh_tools", "report/page")
    environment.filters["figure"] = _figure
    style = style_sheet(PLAYGROUND / "style.css", PAGE / "report.css")
    model, scores = report.found.model, report.scores
    return environment.get_template("report.html.j2").render(
        policy=_policy(style),
        style=style,
        report=report,
        model=model,
        geometry=model.geometry,
        size=report.size,
        board=report.found.board,
        card=card_rows(model),
        latency=latency_rows(report.found),
        levels=[] if scores is None else level_tables(scores),
        forests=[] if scores is None else forests(scores),
        differences=[] if scores is None else difference_tables(scores),
        frontier_of=mixtures_in_words(),
        chart=charts,
        stages=[_stage(each.to_dict()) for each in report.losses],
        recordings=[_recording(report, number) for number in range(len(report.heard))],
        licences=licence_rows(model.card),
        attribution=attribution_text(model),
        version=version("blsh-mcu"),
    )


def _policy(style: str) -> str:
    """Return what the browser lets the page do: this style, sound and pictures of its own, and nothing else."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; media-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _stage(loss: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a stage; share: of the bar, whose end is 100 dB or 100 %."""
    exact = loss["unit"] == DECIBELS and loss["mean"] >= EQUAL_DB
    return {**loss, "share": max(0.0, min(100.0, loss["mean"])), "exact": exact}


def _recording(report: Report, number: int) -> dict[str, Any]:
    heard, geometry = report.heard[number], report.found.model.geometry
    pictures = spectrogram_urls(heard.sounds, geometry)
    facts = heard.to_dict()
    sounds = [
        {
            "name": name,
            "wav": wav_url(samples, geometry.rate_hz),
            "picture": pictures[name],
            "level": facts["level_dbfs"][name],
            "si_sdr": facts["si_sdr_db"].get(name),
        }
        for name, samples in heard.sounds.items()
    ]
    return {**facts, "seconds": facts["samples"] / geometry.rate_hz, "sounds": sounds}


def _figure(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
