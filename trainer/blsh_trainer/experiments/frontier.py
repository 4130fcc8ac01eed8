# SPDX-License-Identifier: Apache-2.0
"""Quality per byte of flash: the layout that we chose against the paper's plain one, from 64 KiB to 2 MiB."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.systems import HashDenoiser
from blsh_trainer.experiments.compared_systems import FEATURES, build, hashed
from blsh_trainer.experiments.frontier_report import CHOSEN, EQUAL, KIB, METRIC, PLAIN, Point, Winner, frontier_report
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import Condition, drawn_condition, score_seeds
from blsh_trainer.experiments.settings import Firmware, Settings
from blsh_trainer.experiments.trained_models import model_gains, trained_model
from blsh_trainer.experiments.workshop import DEFAULT, Workshop, workshop_for
from blsh_trainer.learning.options import EXTENDED, TrainOptions
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.reduction import mask_choices, reduce_model

BUDGETS = tuple(KIB * kib for kib in (64, 128, 256, 512, 1024, 2048))
SEEDS = 3
_DRAWN_ENTRIES = 32_768  # entries of the plain layout of equal training: more than 2 MiB hold

Scorer = Callable[[Sequence[Point], Condition], dict[Point, FloatArray]]
"""Returns the improvements (seeds, mixtures) of points."""


@dataclass(frozen=True)
class _Layout:
    """A layout: the points that each budget adds, how points are scored, and the first seed's model of a point."""

    points: list[list[Point]]
    score: Scorer
    model: Callable[[Point], Model]


def frontier(settings: Settings) -> Report:
    """Choose on `valid` the best way to spend each budget in each layout, and score it on `test`.

    BlshError without `settings.firmware`, which counts the bytes.
    """
    firmware = settings.firmware
    if firmware is None:
        raise BlshError("the frontier needs what counts the firmware's bytes; run it as `blsh experiment frontier`")
    workshop, seeds = workshop_for(settings), settings.seeds_or(SEEDS)
    valid, test = (drawn_condition(settings, 0.0, (METRIC,), split) for split in ("valid", "test"))
    layouts = {
        CHOSEN: _chosen(workshop, settings, seeds, firmware),
        PLAIN: _plain(workshop, settings, seeds, firmware),
        EQUAL: _equal(workshop, settings, seeds, firmware),
    }
    winners: dict[str, list[Winner]] = {}
    for name, layout in layouts.items():
        everything = layout.score([point for added in layout.points for point in added], valid)
        best: list[tuple[int, Point]] = []
        fitting: list[Point] = []
        for budget, added in zip(BUDGETS, layout.points, strict=True):
            fitting += added  # a point that fits a smaller budget fits this one
            if fitting:
                best.append((budget, max(fitting, key=lambda point: float(np.nanmean(everything[point])))))
        scored = layout.score([point for _, point in best], test)
        costs = {}
        for _, point in dict.fromkeys(best):
            if settings.progress is not None:
                settings.progress(f"frontier, costs of {point.description}", 0, 1)
            costs[point] = firmware.cost(layout.model(point), name == CHOSEN)
        winners[name] = [Winner(budget, p, everything[p], scored[p], costs[p]) for budget, p in best]
    return frontier_report(winners, settings, len(seeds), firmware.board)


def _points(layout: str, kinds: Iterable[tuple[Model, int]], firmware: Firmware) -> list[list[Point]]:
    """Return the points that each budget adds.

    `kinds` are a model of few entries for each combination of features, bits and masks, and the most entries that
    there are of it. A kind of which a budget holds fewer entries than K is left out there.
    """
    found: list[list[Point]] = [[] for _ in BUDGETS]
    for like, most in kinds:
        for points, (entries, taken) in zip(found, firmware.entries_within(like, BUDGETS, most), strict=True):
            if entries >= like.neighbours:
                points.append(Point(layout, like.feature_kind, like.bits, entries, like.mask_kind, taken))
    return found


def _chosen(workshop: Workshop, settings: Settings, seeds: Sequence[int], firmware: Firmware) -> _Layout:
    options = _options(settings)
    models = [trained_model(options.with_(seed=seed), f"{CHOSEN}, seed {seed}", workshop) for seed in seeds]
    first = models[0]
    kinds = [
        (reduce_model(first, first.neighbours, bits, kind), first.entries)
        for bits in sorted({*options.dictionary.lengths, options.code.bits})
        for kind in mask_choices(first)
    ]
    scorer = _of_models(dict(zip(seeds, models, strict=True)), workshop, settings)
    return _Layout(_points(CHOSEN, kinds, firmware), scorer, lambda point: _cut(first, point, seeds[0]))


def _equal(workshop: Workshop, settings: Settings, seeds: Sequence[int], firmware: Firmware) -> _Layout:
    """Train as for the chosen layout, but with IBMs of drawn frames, and with projections fitted to these."""
    options = _options(settings).with_(mask_kind="ibm", refine_steps=0, lengths=(), entries=_DRAWN_ENTRIES)
    models: dict[int, dict[int, Model]] = {}
    for bits in sorted({*EXTENDED.dictionary.lengths, EXTENDED.code.bits} if not settings.fast else {8}):
        fitted = options.with_(bits=bits)
        models[bits] = {
            s: trained_model(fitted.with_(seed=s), f"{EQUAL}, L = {bits}, seed {s}", workshop) for s in seeds
        }
    kinds = [
        (reduce_model(of[seeds[0]], options.dictionary.neighbours), min(model.entries for model in of.values()))
        for of in models.values()
    ]
    scorers = {bits: _of_models(of, workshop, settings) for bits, of in models.items()}

    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        found: dict[Point, FloatArray] = {}
        for bits, scorer in scorers.items():
            found |= scorer([point for point in points if point.bits == bits], chosen)
        return found

    return _Layout(
        _points(EQUAL, kinds, firmware), score, lambda point: _cut(models[point.bits][seeds[0]], point, seeds[0])
    )


def _cut(model: Model, point: Point, seed: int) -> Model:
    return reduce_model(model, point.entries, point.bits, point.mask_kind, seed)


def _of_models(models: Mapping[int, Model], workshop: Workshop, settings: Settings) -> Scorer:
    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        wanted = {
            (point, seed): _cut(model, point, seed) for point in dict.fromkeys(points) for seed, model in models.items()
        }
        named = {f"{number}": model for number, model in enumerate(wanted.values())}
        gains = model_gains("frontier", named, chosen, METRIC, workshop, settings)
        by_key = {key: gains[f"{number}"] for number, key in enumerate(wanted)}
        return {point: np.array([by_key[point, seed] for seed in models]) for point in dict.fromkeys(points)}

    return score


def _plain(workshop: Workshop, settings: Settings, seeds: Sequence[int], firmware: Firmware) -> _Layout:
    """Take the paper's system with the default learner: IBMs and codes of training frames drawn at random."""
    sizes = settings.sizes
    workshop.prepare([(DEFAULT, kind, seed, None) for seed in seeds for kind in FEATURES], settings.jobs)

    def model(feature_kind: str, bits: int, entries: int) -> Model:
        spec = hashed(DEFAULT, feature_kind, bits, float(entries))
        system = build(replace(spec, seed=seeds[0]), workshop, settings)
        assert isinstance(system, HashDenoiser) and isinstance(system.denoiser.model, Model)
        return system.denoiser.model

    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        specs = {point: hashed(DEFAULT, point.feature_kind, point.bits, float(point.entries)) for point in points}
        scored = score_seeds("frontier", specs.values(), [chosen], seeds, workshop, settings)
        return {point: scored.gains(spec, chosen, METRIC) for point, spec in specs.items()}

    kinds = [
        (model(kind, bits, sizes.neighbours), len(workshop.frames(kind)))
        for kind in FEATURES
        for bits in sizes.frontier_lengths
    ]
    return _Layout(
        _points(PLAIN, kinds, firmware),
        score,
        lambda point: model(point.feature_kind, point.bits, point.entries),
    )


def _options(settings: Settings) -> TrainOptions:
    if not settings.fast:
        return EXTENDED
    return EXTENDED.with_(
        bits=16,
        lengths=(8,),
        steps=3,
        refine_steps=3,
        entries=200,
        max_frames=2_000,
        fit_frames=400,
        passes=1,
    )
