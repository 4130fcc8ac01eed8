"""`blsh evaluate`: a model's scores on unseen speakers and noise, as a table, as JSON and as CSV."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, ModelFile, NoiseFolder, Seed
from blsh_tools.options.model import DictionaryOptions, sized
from blsh_tools.options.numbers_in_range import COUNT, JOBS, SNR_DB
from blsh_tools.options.outputs import check_output, check_outside, same_file
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.evaluation.evaluate import Evaluation, Mixtures, Summary
    from blsh_trainer.evaluation.peer_comparison import Against

PROTOCOLS = ("drawn", "peers")
MODEL = "model"
TITLES = {"sdr_db": "SDR, dB", "si_sdr_db": "SI-SDR, dB", "pesq": "PESQ-WB", "estoi": "ESTOI"}
_DECIMALS = {"sdr_db": 2, "si_sdr_db": 2, "pesq": 3, "estoi": 3}


def evaluate(
    model: ModelFile,
    corpus: Annotated[Path, typer.Argument(help="Folder of recordings; see `blsh corpus check`.")],
    split: Annotated[str, typer.Option(help="`test`, `valid` or `train`.")] = "test",
    snr: Annotated[
        list[float] | None, SNR_DB.option("SNR of the mixtures in dB; repeat it for more [default: -5, 0, 5, 10].")
    ] = None,
    count: Annotated[
        int | None, COUNT.option("Mixtures at each SNR [default: one for each utterance; peers: all 60].")
    ] = None,
    engine: Annotated[str, typer.Option(help="`float` or `fixed`.")] = "float",
    metrics: Annotated[str, typer.Option(help="What to measure, separated by commas.")] = "sdr_db,si_sdr_db,pesq,estoi",
    noise: NoiseFolder = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="`drawn`, or `peers`: the mixtures on which other denoisers were scored, and they beside it."
        ),
    ] = "drawn",
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    *,
    reduction: DictionaryOptions,
    seed: Seed = 0,
    table: Annotated[Path | None, typer.Option("--csv", help="CSV file to write, a line for each mixture.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on mixtures of unseen speakers and noise: SDR, SI-SDR, PESQ and ESTOI before and after."""
    from blsh_codegen.emit.generate import reduced_model
    from blsh_tools.audio.engines import FixedEngine, FloatEngine
    from blsh_trainer.compute.process_map import check_jobs
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.evaluation.evaluate import Blind, check_metrics, evaluate_systems
    from blsh_trainer.model.artifact import load_model

    if engine not in ("float", "fixed"):
        raise BlshError(f"engine {engine!r} cannot be evaluated; choose float or fixed (the device equals fixed)")
    chosen_metrics = check_metrics([name.strip() for name in metrics.split(",") if name.strip()])
    check_jobs(jobs)
    _check_outputs(output, table, model)
    artifact = load_model(model)
    options = sized(reduction.wishes(), artifact.entries)
    reduced = reduced_model(artifact, options)
    chosen = (FloatEngine if engine == "float" else FixedEngine)(artifact, options)
    source = load_corpus(corpus, noise)
    check_outside(source, output, table)
    mixtures = _mixtures(source, protocol, split, snr, count, seed)
    with progress() as advance:
        found = evaluate_systems({MODEL: Blind(chosen)}, mixtures, chosen_metrics, jobs, seed, advance)
    told = {
        "model_sha256": artifact.sha256,
        "engine": engine,
        "dictionary_entries": reduced.entries,
        "bits": reduced.bits,
        "neighbours": reduced.neighbours,
    }
    result: dict[str, Any] = {**found.to_dict(), **told}
    rows = _rows(found)
    if protocol == "peers":
        rows = _peers_rows(found, rows, result)
    _write(output, json.dumps(result, indent=2, sort_keys=True) + "\n")
    _write(table, found.to_csv())
    what = f"{result['mixtures']['mixtures']} mixtures of {result['mixtures']['split']}, engine {engine}"
    header = ["SNR", "system", *(TITLES[metric] for metric in found.metrics)]
    show(result, as_json, rows, f"Evaluated: {what}; means", header)
    if protocol == "peers":
        say("`model less it` is the mean of the differences, mixture by mixture: docs/results/peers.md")


def _mixtures(
    corpus: "Corpus", protocol: str, split: str, snr: list[float] | None, count: int | None, seed: int
) -> "Mixtures":
    from blsh_trainer.evaluation.protocols import DEFAULT_SNRS_DB, DrawnMixtures, PeersMixtures

    snrs_db = tuple(snr) if snr else DEFAULT_SNRS_DB
    if protocol == "drawn":
        return DrawnMixtures(corpus, split, snrs_db, count, seed)
    if protocol not in PROTOCOLS:
        raise BlshError(f"protocol {protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    if split != "test":
        raise BlshError(f"split {split!r} with the protocol peers, which is one of the test split; leave it out")
    return PeersMixtures(corpus, snrs_db, count)


def _check_outputs(output: Path | None, table: Path | None, model: Path) -> None:
    given = [path for path in (output, table) if path is not None]
    for path in given:
        check_output(path, model=model)
    if len(given) == 2 and same_file(*given):
        raise BlshError(f"--output and --csv both name {given[0]}; give two files")


def _write(path: Path | None, text: str) -> None:
    from blsh_trainer.files import replacing

    if path is not None:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _rows(found: "Evaluation") -> list[list[str]]:
    from blsh_trainer.evaluation.evaluate import MIXTURE

    summary = {(s.snr_db, s.system, s.metric): s for s in found.summary()}
    rows = []
    for snr_db in found.snrs_db:
        mixture, model = ([summary[snr_db, name, metric] for metric in found.metrics] for name in (MIXTURE, MODEL))
        told = (
            (MIXTURE, [_told(s, f"{s.mean:.{_DECIMALS[s.metric]}f}") for s in mixture]),
            (MODEL, [_told(s, f"{s.mean:.{_DECIMALS[s.metric]}f}") for s in model]),
            ("  95 % interval", [_interval(s, s.low, s.high) for s in model]),
            ("improvement", [_told(s, f"{s.improvement:+.{_DECIMALS[s.metric]}f}") for s in model]),
            ("  95 % interval", [_interval(s, s.improvement_low, s.improvement_high) for s in model]),
        )
        rows += [[f"{snr_db:g}", name, *cells] for name, cells in told]
    return rows


def _peers_rows(found: "Evaluation", rows: list[list[str]], result: dict[str, Any]) -> list[list[str]]:
    """Return `rows` with, after each SNR, the peers and the model less each; `result` gets the comparison, too."""
    from dataclasses import asdict

    from blsh_trainer.evaluation.peer_comparison import against_peers

    compared = against_peers(found, MODEL)
    result["peers"] = [asdict(each) for each in compared]
    merged = []
    for snr_db in found.snrs_db:
        merged += [row for row in rows if row[0] == f"{snr_db:g}"]
        for name in dict.fromkeys(each.peer for each in compared if each.snr_db == snr_db):
            of = {each.metric: each for each in compared if (each.peer, each.snr_db) == (name, snr_db)}
            merged.append([f"{snr_db:g}", name, *(_figure(of, m, "theirs", "") for m in found.metrics)])
            merged.append(
                [f"{snr_db:g}", "  model less it", *(_figure(of, m, "difference", "+") for m in found.metrics)]
            )
            intervals = (_range(m, of[m].low, of[m].high) if m in of else "" for m in found.metrics)
            merged.append([f"{snr_db:g}", "  95 % interval", *intervals])
    return merged


def _figure(of: "Mapping[str, Against]", metric: str, name: str, sign: str) -> str:
    return f"{getattr(of[metric], name):{sign}.{_DECIMALS[metric]}f}" if metric in of else ""


def _told(s: "Summary", figure: str) -> str:
    if s.n == 0:
        return "undefined"
    return figure + (f", n = {s.n}" if s.undefined else "")


def _interval(s: "Summary", low: float, high: float) -> str:
    return _range(s.metric, low, high) if s.n else ""


def _range(metric: str, low: float, high: float) -> str:
    digits = _DECIMALS[metric]
    return f"{low:.{digits}f} to {high:.{digits}f}"
