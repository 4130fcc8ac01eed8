# SPDX-License-Identifier: Apache-2.0
"""Tables I to III: the size of every system, and its scores on mixtures of unseen speakers and noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.evaluate import MIXTURE
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.recorded_pairs import RecordedMixtures
from blsh_trainer.experiments import paper_values
from blsh_trainer.experiments.compared_systems import FEATURES, Spec, hashed
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import TEST_SEED, Condition, Scored, condition, drawn_condition, score_seeds
from blsh_trainer.experiments.settings import Settings, Sizes
from blsh_trainer.experiments.workshop import CENTRED, DEFAULT, PAPER, PLAIN, workshop_for

SEEDS = 3
SUBSTITUTE_SNRS_DB = (2.5, 7.5, 12.5, 17.5)
"""The SNRs of VoiceBank-DEMAND's test mixtures."""
_METRICS = {name: metric.paper for name, metric in METRICS.items() if metric.paper is not None}
"""The metrics of the paper's tables, and how the tables write them."""
_TITLES = tuple(f"{notation.title} {notation.unit}".rstrip() for notation in _METRICS.values())
_LEARNERS = {"BLSH, default learner": DEFAULT, "BLSH, the paper's AdaBoost": PAPER}
_MASKS = (
    'Sizes: real numbers at 4 bytes, bits packed. "size" is what the paper counts, codes or features with projections; '
    'the masks, 513 bits an entry, come on top and are in "with masks".'
)


@dataclass(frozen=True)
class Row:
    """A line of a table: a system under a condition, and the paper's figures for it."""

    label: str
    spec: Spec
    condition: Condition
    paper: paper_values.Figures | None = None
    place: str = ""


def table1(settings: Settings) -> Report:
    """Compute Table I: all systems at 0 dB."""
    from blsh_trainer.baselines.architecture import PAPER_SIZES_MB

    chosen = drawn_condition(settings, 0.0, tuple(_METRICS))
    sizes = settings.sizes
    rows = [
        Row("mixture", Spec(MIXTURE), chosen, paper_values.TABLE1["mixture", "", 0.0]),
        Row("IBM oracle", Spec("ibm"), chosen, paper_values.TABLE1["ibm", "", 0.0]),
    ]
    for share, kind in _places(sizes):
        paper = paper_values.TABLE1["knn", kind, share]
        rows.append(Row("KNN", Spec("knn", kind, dictionary=share), chosen, paper))
    for label, learner in {"LSH, plain": PLAIN, "LSH, centred": CENTRED}.items():
        for share, kind in _places(sizes):
            spec = hashed(learner, kind, sizes.longest, share)
            rows.append(Row(label, spec, chosen, paper_values.TABLE1["lsh", kind, share]))
    rows += _blsh_rows(
        sizes, chosen, {(kind, share): paper_values.TABLE1["blsh", kind, share] for share, kind in _places(sizes)}
    )
    for name in settings.baselines:
        rows.append(Row(name, Spec("network", network=name), chosen, paper_values.NETWORKS.get(name)))
    scored = _score("table1", rows, settings)
    best, centred = (_gain(scored, _first(rows, label)) for label in ("BLSH, default learner", "LSH, centred"))
    adaboost = _gain(scored, _first(rows, "BLSH, the paper's AdaBoost"))
    finding = (
        f"stft, ρ = 0.1: SI-SDR improvement of BLSH {best:+.2f} dB with the default learner and {adaboost:+.2f} dB "
        f"with the paper's, of centred LSH {centred:+.2f} dB, of raw KNN {_gain(scored, _first(rows, 'KNN')):+.2f} dB"
    )
    left_out = [name for name in PAPER_SIZES_MB if name not in settings.baselines]
    notes = [_how(settings, SEEDS), _MASKS]
    if left_out:
        notes.append(
            f"Left out, since each takes minutes to hours to train: {', '.join(left_out)}. To have them: "
            "`pip install '.[baselines]'` and `--baselines all`, or names separated by commas."
        )
    if settings.baselines and settings.baseline_seconds:
        notes.append(
            f"Each network was trained for at most {settings.baseline_seconds:g} s, which may be too short for it."
        )
    return _report("table1", "Table I: sizes and scores at 0 dB", finding, notes, rows, scored, settings)


def table2(settings: Settings) -> Report:
    """Compute Table II: BLSH at SNRs that it was not trained at."""
    rows: list[Row] = []
    for snr_db in (-5.0, 5.0, 10.0):
        chosen = drawn_condition(settings, snr_db, tuple(_METRICS))
        place = f"{snr_db:g} dB"
        rows.append(Row("mixture", Spec(MIXTURE), chosen, paper_values.TABLE2[snr_db, "", 0.0], place))
        paper = {(kind, share): paper_values.TABLE2[snr_db, kind, share] for share, kind in _places(settings.sizes)}
        rows += _blsh_rows(settings.sizes, chosen, paper, place)
    scored = _score("table2", rows, settings)
    firsts = [row for row in rows if row.label == "BLSH, default learner"][:: 2 * len(settings.sizes.shares)]
    gains = ", ".join(f"{_gain(scored, row):+.2f} dB at {row.place}" for row in firsts)
    finding = f"BLSH (default learner, stft, ρ = 0.1), trained at 0 dB, improves the SI-SDR by {gains}"
    title = "Table II: BLSH at other SNRs than that of training"
    return _report("table2", title, finding, [_how(settings, SEEDS), _MASKS], rows, scored, settings)


def table3(settings: Settings) -> Report:
    """Compute Table III: BLSH on recorded mixtures of another corpus, or on speakers of a source kept from training."""
    if settings.voicebank is not None:
        conditions = [_recorded_condition(settings, settings.voicebank)]
        trained = settings
        note = (
            f"Trained on {settings.corpus.name}, scored on mixtures of {settings.voicebank.name} as they were recorded."
        )
        title = "Table III: BLSH on recorded mixtures of another corpus"
        columns = [""]
    else:
        apart, source = held_out_source(settings.corpus)
        trained = replace(settings, corpus=apart)
        conditions = [drawn_condition(trained, snr_db, tuple(_METRICS)) for snr_db in SUBSTITUTE_SNRS_DB]
        note = (
            "A SUBSTITUTE for VoiceBank-DEMAND, which was not given (--voicebank DIR): trained without the recordings "
            f"of source {source!r}, scored on its test speakers alone, at the SNRs of VoiceBank-DEMAND's test "
            "mixtures. The paper's figures are those on VoiceBank-DEMAND, over all its SNRs, and not comparable."
        )
        title = "Table III, substitute: BLSH on speakers of an unseen source"
        columns = [f"{snr:g} dB" for snr in SUBSTITUTE_SNRS_DB]
    rows: list[Row] = []
    for chosen, place in zip(conditions, columns, strict=True):
        rows.append(Row("mixture", Spec(MIXTURE), chosen, paper_values.TABLE3["", 0.0], place))
        paper = {(kind, share): paper_values.TABLE3[kind, share] for share, kind in _places(settings.sizes)}
        rows += _blsh_rows(settings.sizes, chosen, paper, place)
    scored = _score("table3", rows, trained, seeds=1)
    firsts = [row for row in rows if row.label == "BLSH, default learner"][:: 2 * len(settings.sizes.shares)]
    gains = ", ".join(f"{_gain(scored, row):+.2f} dB{' at ' + row.place if row.place else ''}" for row in firsts)
    finding = f"BLSH (default learner, stft, ρ = 0.1) changes the SI-SDR of mixtures of an unseen source by {gains}"
    return _report("table3", title, finding, [note, _how(trained, 1), _MASKS], rows, scored, trained, seeds=1)


def held_out_source(corpus: Corpus) -> tuple[Corpus, str]:
    """Return the corpus with the test speech of one source alone, which no other split has; and the source's name.

    A speaker's source is his name up to the first "_" or digit. The source is one of the test split without which
    training still has speech: one that training had, if any; among several, the one with the least test speech.
    BlshError if training and test have a single source.
    """
    speech = [entry for entry in corpus.entries if entry.kind == "speech"]
    trained = {_source(entry.speaker_or_type) for entry in speech if entry.split == "train"}
    tested: dict[str, int] = {}
    for entry in speech:
        if entry.split == "test":
            name = _source(entry.speaker_or_type)
            tested[name] = tested.get(name, 0) + 1
    spared = [name for name in tested if trained - {name}]
    if not spared:
        raise BlshError(f"corpus {corpus.place} has one source of speech in training and test; give --voicebank DIR")
    source = min(spared, key=lambda name: (name not in trained, tested[name], name))
    kept = tuple(
        entry
        for entry in corpus.entries
        if entry.kind != "speech" or (_source(entry.speaker_or_type) == source) == (entry.split == "test")
    )
    return replace(corpus, entries=kept), source


def _source(speaker: str) -> str:
    name = speaker.split("_")[0]
    return name.rstrip("0123456789") or name


def _recorded_condition(settings: Settings, corpus: Corpus) -> Condition:
    count = min(settings.count, len(corpus.select("speech", "test")))
    mixtures = RecordedMixtures(corpus, "test", count, TEST_SEED)
    recipe = {"protocol": "recorded", "split": "test", "count": count, "seed": TEST_SEED}
    return condition(mixtures, tuple(_METRICS), corpus_sha256=corpus.sha256, **recipe)


def _places(sizes: Sizes) -> list[tuple[float, str]]:
    return [(share, kind) for share in sizes.shares for kind in FEATURES]


def _blsh_rows(
    sizes: Sizes, chosen: Condition, paper: dict[tuple[str, float], paper_values.Figures], place: str = ""
) -> list[Row]:
    return [
        Row(label, hashed(learner, kind, sizes.table_bits(kind), share), chosen, paper.get((kind, share)), place)
        for label, learner in _LEARNERS.items()
        for share, kind in _places(sizes)
    ]


def _score(name: str, rows: Sequence[Row], settings: Settings, seeds: int = SEEDS) -> Scored:
    conditions = list(dict.fromkeys(row.condition for row in rows))
    specs = list(dict.fromkeys(row.spec for row in rows))
    return score_seeds(name, specs, conditions, settings.seeds_or(seeds), workshop_for(settings), settings)


def _first(rows: Sequence[Row], label: str) -> Row:
    return next(row for row in rows if row.label == label)


def _gain(scored: Scored, row: Row) -> float:
    return scored.gain(row.spec, row.condition, "si_sdr_db").mean


def _how(settings: Settings, seeds: int) -> str:
    return (
        f"{settings.count} mixtures at most of the test split, K = {settings.sizes.neighbours}; hash and dictionary "
        f"drawn {len(settings.seeds_or(seeds))} times. Means with 95 % intervals, bootstrapped over seeds and "
        "mixtures. Neither speakers nor noise recordings were heard in training. PESQ is wide-band (P.862.2). "
        'Columns "paper": what it reports on its own corpora, for the order of systems, not for the level.'
    )


def _report(
    name: str,
    title: str,
    finding: str,
    notes: Sequence[str],
    rows: Sequence[Row],
    scored: Scored,
    settings: Settings,
    seeds: int = SEEDS,
) -> Report:
    where = ["SNR"] if any(row.place for row in rows) else []
    header = [*where, "system", "features", "ρ", "L", "entries", "size MB", "with masks MB", *_TITLES]
    header += [f"paper: {title}" for title in _TITLES]
    lines: list[list[str]] = []
    table: list[list[Any]] = [["place", "system", "features", "share", "bits", "entries", "bytes", "bytes_with_masks"]]
    table[0] += [f"{metric}{part}" for metric in _METRICS for part in ("", "_low", "_high")]
    data = []
    for row in rows:
        cells = scored.cells(row.spec, row.condition)
        spec, size = row.spec, cells[0].size
        found = {metric: mean_interval(np.array([cell.figures[metric] for cell in cells])) for metric in _METRICS}
        share = f"{spec.dictionary:g}" if spec.dictionary else ""
        line = [row.place] if where else []
        line += [
            row.label,
            spec.feature_kind,
            share,
            str(spec.bits or ""),
            f"{cells[0].entries or '':,}" if cells[0].entries else "",
        ]
        line += [f"{size[part] / 1e6:.3f}" if size["total"] else "" for part in ("without_masks", "total")]
        lines.append([*line, *(_cell(found[metric], metric) for metric in _METRICS), *paper_values.cells(row.paper)])
        plain = [row.place, row.label, spec.feature_kind, spec.dictionary, spec.bits, cells[0].entries]
        bounds = [value for metric in _METRICS for value in _bounds(found[metric].to_dict())]
        table.append([*plain, size["without_masks"], size["total"], *bounds])
        improvement = {metric: scored.gain(spec, row.condition, metric).to_dict() for metric in _METRICS}
        figures = {metric: found[metric].to_dict() for metric in _METRICS}
        data.append(
            {
                **dict(zip(table[0][:6], plain, strict=True)),
                "size": size,
                "figures": figures,
                "improvement": improvement,
                "paper": row.paper,
            }
        )
    more = {"rows": data, "corpus_sha256": settings.corpus.sha256, "seeds": len(settings.seeds_or(seeds))}
    width = len(header) - len(_TITLES)
    brief = [at for at in range(width) if header[at] not in ("entries", "size MB")]
    return Report(name, title, settings.command, finding, notes, header, lines, table, more, brief=brief)


def _cell(found: MeanInterval, metric: str) -> str:
    """Return a mean and its interval in text, written as the paper's tables write the metric."""
    if found.mixtures == 0:
        return "undefined"
    notation = METRICS[metric].paper or METRICS[metric].shown
    return notation.estimate(found.mean, found.low, found.high)


def _bounds(found: dict[str, float | int | None]) -> list[Any]:
    return ["" if found[part] is None else repr(found[part]) for part in ("mean", "low", "high")]
