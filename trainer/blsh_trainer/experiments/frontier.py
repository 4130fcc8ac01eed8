"""Quality per byte of flash: the layout that we chose against the paper's plain one, from 64 KiB to 2 MiB."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.systems import HashDenoiser
from blsh_trainer.experiments.drawing import Curve, draw_curves
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import Condition, build
from blsh_trainer.experiments.settings import FirmwareCost, Settings
from blsh_trainer.experiments.summaries import FEATURES, drawn_condition, hashed, score_seeds, workshop_for
from blsh_trainer.experiments.trained_models import model_gains, trained_model
from blsh_trainer.experiments.verdict import Bar, state
from blsh_trainer.experiments.workshop import DEFAULT, Workshop
from blsh_trainer.flash import CODE_BYTES, KIB, TABLE_BYTES, entries_within, model_bytes
from blsh_trainer.learning.train import EXTENDED, TrainOptions
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.reduction import mask_choices, reduce_model
from blsh_trainer.signals.masks import find_mask_kind
from blsh_trainer.signals.spectra import feature_count

BUDGETS = tuple(KIB * kib for kib in (64, 128, 256, 512, 1024, 2048))
SEEDS = 3
CHOSEN, PLAIN, EQUAL = "chosen layout", "plain layout", "plain layout, equal training"
_METRIC = "si_sdr_db"
_MARGIN_DB = 0.3
_AT, _LARGER = 256 * KIB, 1024 * KIB
_DRAWN_ENTRIES = 32_768  # that the plain layout of equal training may choose from: more than 2 MiB hold


@dataclass(frozen=True)
class Point:
    """One way to spend a budget: a system's code length, entries and masks, and the bytes of flash that they take."""

    system: str
    feature_kind: str
    bits: int
    entries: int
    mask_kind: str
    bytes: int

    @property
    def told(self) -> str:
        """The point in words."""
        return f"{self.feature_kind}, L = {self.bits}, {self.entries:,} entries, {self.mask_kind}"


Scorer = Callable[[Sequence[Point], Condition], dict[Point, FloatArray]]
"""Returns the improvements (seeds, mixtures) of points."""


@dataclass(frozen=True)
class _System:
    """A layout: its points by budget, how they are scored, and the first seed's model of a point."""

    points: list[list[Point]]
    score: Scorer
    model: Callable[[Point], Model]


@dataclass(frozen=True)
class _Row:
    """What won on `valid` at a budget, its improvements (seeds, mixtures) on both splits, what the firmware takes."""

    budget: int
    point: Point
    valid: FloatArray
    test: FloatArray = field(repr=False)
    cost: FirmwareCost | None


def frontier(settings: Settings) -> Report:
    """Choose on `valid` the best way to spend each budget in each layout, and score it on `test`."""
    workshop, seeds = workshop_for(settings), settings.seeds_or(SEEDS)
    valid, test = (drawn_condition(settings, 0.0, (_METRIC,), split) for split in ("valid", "test"))
    systems = {
        CHOSEN: _chosen(workshop, settings, seeds),
        PLAIN: _plain(workshop, settings, seeds),
        EQUAL: _equal(workshop, settings, seeds),
    }
    rows: dict[str, list[_Row]] = {}
    for name, system in systems.items():
        everything = system.score([point for budget in system.points for point in budget], valid)
        best: list[tuple[int, Point]] = []
        fitting: list[Point] = []
        for budget, new in zip(BUDGETS, system.points, strict=True):
            fitting += new  # what fits a smaller budget fits this one
            if fitting:
                best.append((budget, max(fitting, key=lambda point: float(np.nanmean(everything[point])))))
        scored = system.score([point for _, point in best], test)
        costs = {point: _cost(system, point, name == CHOSEN, settings) for _, point in dict.fromkeys(best)}
        rows[name] = [_Row(budget, point, everything[point], scored[point], costs[point]) for budget, point in best]
    return _report(rows, settings, len(seeds))


def _cost(system: _System, point: Point, ordered: bool, settings: Settings) -> FirmwareCost | None:
    if settings.firmware_cost is None:
        return None
    if settings.progress is not None:
        settings.progress(f"frontier, costs of {point.told}", 0, 1)
    return settings.firmware_cost(system.model(point), ordered)


def _points(system: str, kinds: Iterable[tuple[str, int, str, int]], least: int) -> list[list[Point]]:
    """The points of each budget: `kinds` are features, bits, masks and the most entries that there are."""
    found: list[list[Point]] = []
    for budget in BUDGETS:
        found.append([])
        for feature_kind, bits, mask_kind, most in kinds:
            features, masks = feature_count(feature_kind), find_mask_kind(mask_kind)
            try:
                entries = entries_within(budget, bits, features, masks, most, least)
            except BlshError:  # a long code leaves no room for entries
                continue
            taken = model_bytes(bits, features, entries, masks)
            found[-1].append(Point(system, feature_kind, bits, entries, mask_kind, taken))
    return found


def _chosen(workshop: Workshop, settings: Settings, seeds: Sequence[int]) -> _System:
    options = _options(settings)
    models = [trained_model(replace(options, seed=seed), f"{CHOSEN}, seed {seed}", workshop) for seed in seeds]
    first = models[0]
    lengths = sorted({*options.lengths, options.bits})
    kinds = [(options.feature_kind, bits, kind, first.entries) for bits in lengths for kind in mask_choices(first)]
    scorer = _of_models(dict(zip(seeds, models, strict=True)), workshop, settings)
    return _System(_points(CHOSEN, kinds, options.neighbours), scorer, lambda point: _cut(first, point, seeds[0]))


def _equal(workshop: Workshop, settings: Settings, seeds: Sequence[int]) -> _System:
    """The extended system with all but what this is about: IBMs of drawn frames, projections fitted to these."""
    options = replace(_options(settings), mask_kind="ibm", refine_steps=0, lengths=(), entries=_DRAWN_ENTRIES)
    models: dict[int, dict[int, Model]] = {}
    for bits in sorted({*EXTENDED.lengths, EXTENDED.bits} if not settings.fast else {8}):
        fitted = replace(options, bits=bits)
        models[bits] = {
            s: trained_model(replace(fitted, seed=s), f"{EQUAL}, L = {bits}, seed {s}", workshop) for s in seeds
        }
    kinds = [
        (options.feature_kind, bits, "ibm", min(model.entries for model in of.values())) for bits, of in models.items()
    ]
    scorers = {bits: _of_models(of, workshop, settings) for bits, of in models.items()}

    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        found: dict[Point, FloatArray] = {}
        for bits, scorer in scorers.items():
            found |= scorer([point for point in points if point.bits == bits], chosen)
        return found

    return _System(
        _points(EQUAL, kinds, options.neighbours),
        score,
        lambda point: _cut(models[point.bits][seeds[0]], point, seeds[0]),
    )


def _cut(model: Model, point: Point, seed: int) -> Model:
    return reduce_model(model, point.entries, point.bits, point.mask_kind, seed)


def _of_models(models: Mapping[int, Model], workshop: Workshop, settings: Settings) -> Scorer:
    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        wanted = {
            (point, seed): _cut(model, point, seed) for point in dict.fromkeys(points) for seed, model in models.items()
        }
        named = {f"{number}": model for number, model in enumerate(wanted.values())}
        gains = list(model_gains("frontier", named, chosen, _METRIC, workshop, settings).items())
        by_name = dict(gains)
        by_key = {key: by_name[f"{number}"] for number, key in enumerate(wanted)}
        return {point: np.array([by_key[point, seed] for seed in models]) for point in dict.fromkeys(points)}

    return score


def _plain(workshop: Workshop, settings: Settings, seeds: Sequence[int]) -> _System:
    """The paper's system with the default learner: IBMs and codes of training frames drawn at random."""
    sizes = settings.sizes
    kinds = [(kind, bits, "ibm", len(workshop.frames(kind))) for kind in FEATURES for bits in sizes.frontier_lengths]

    def score(points: Sequence[Point], chosen: Condition) -> dict[Point, FloatArray]:
        specs = {point: hashed(DEFAULT, point.feature_kind, point.bits, float(point.entries)) for point in points}
        scored = score_seeds("frontier", specs.values(), [chosen], seeds, workshop, settings)
        return {point: scored.gains(spec, chosen, _METRIC) for point, spec in specs.items()}

    def model(point: Point) -> Model:
        spec = hashed(DEFAULT, point.feature_kind, point.bits, float(point.entries))
        system = build(replace(spec, seed=seeds[0]), workshop, settings)
        assert isinstance(system, HashDenoiser)
        return system.denoiser.model

    return _System(_points(PLAIN, kinds, sizes.neighbours), score, model)


def _options(settings: Settings) -> TrainOptions:
    if not settings.fast:
        return EXTENDED
    return replace(
        EXTENDED,
        bits=16,
        lengths=(8,),
        steps=3,
        refine_steps=3,
        entries=200,
        max_frames=2_000,
        fit_frames=400,
        passes=1,
    )


def _bars(rows: Mapping[str, Sequence[_Row]]) -> list[Bar]:
    at = {name: {row.budget: row.test for row in of} for name, of in rows.items()}
    found = []
    for rival in (PLAIN, EQUAL):
        for budget, margin in ((_AT, _MARGIN_DB), (_LARGER, 0.0)):
            what = f"at {_AT // KIB} KiB at least {margin:g} dB above the {rival} at {budget // KIB} KiB"
            over = mean_interval(at[CHOSEN][_AT] - at[rival][budget])
            told = f"{over.mean:+.2f} dB ({over.low:+.2f} to {over.high:+.2f})"
            found.append(Bar(what, told, over.mean >= margin, over.to_dict()))
    return found


def _report(rows: Mapping[str, Sequence[_Row]], settings: Settings, seeds: int) -> Report:
    bars = _bars(rows)
    costed = next((row.cost for of in rows.values() for row in of), None)
    cores = list(costed.millions_per_second) if costed else []
    header = ["flash, KiB", "layout", "what won on valid", "KiB taken", "valid, dB", "test, dB"]
    header += [*(f"M/s on {core}" for core in cores), *(["RAM, bytes"] if costed else [])]
    columns = ["budget_bytes", "layout", "features", "bits", "entries", "masks", "bytes"]
    columns += ["valid_db", "test_db", "low", "high"]
    columns += [*(f"{core}_mips" for core in cores), *(["ram_bytes"] if costed else [])]
    table: list[list[Any]] = [columns]
    lines, data = [], []
    panels: dict[str, list[Curve]] = {"test, 0 dB": []}
    for name, of in rows.items():
        tests = [mean_interval(row.test) for row in of]
        for row, test in zip(of, tests, strict=True):
            point, valid = row.point, mean_interval(row.valid)
            taken = f"{point.bytes / KIB:.1f}"
            figures = [f"{valid.mean:+.2f}", f"{test.mean:+.2f} ({test.low:+.2f} to {test.high:+.2f})"]
            figures += [f"{row.cost.millions_per_second[core]:.1f}" for core in cores] if row.cost else []
            figures += [f"{row.cost.ram_bytes:,}"] if row.cost else []
            lines.append([str(row.budget // KIB), name, point.told, taken, *figures])
            parts = (point.feature_kind, point.bits, point.entries, point.mask_kind, point.bytes)
            costs = [*row.cost.millions_per_second.values(), row.cost.ram_bytes] if row.cost else []
            table.append([row.budget, name, *parts, *map(repr, (valid.mean, test.mean, test.low, test.high)), *costs])
            priced = {"cost": asdict(row.cost)} if row.cost else {}
            data.append(
                {"budget": row.budget, **asdict(point), "valid": valid.to_dict(), "test": test.to_dict(), **priced}
            )
        places = np.array([row.budget / KIB for row in of])
        means, spread = (np.array([getattr(test, part) for test in tests]) for part in ("mean", "deviation"))
        panels["test, 0 dB"].append(Curve(name, places, means, spread))
        for core in cores:
            taken_by = [row.cost.millions_per_second[core] for row in of if row.cost]
            panels.setdefault(f"instructions on {core}", []).append(Curve(name, places, np.array(taken_by)))
        if costed:
            ram = np.array([row.cost.ram_bytes / KIB for row in of if row.cost])
            panels.setdefault("RAM and stack, server included", []).append(Curve(name, places, ram))
    finding = "; ".join(f"{bar.what}: {bar.told}, {state(bar)}" for bar in bars)
    counted = sum(bar.met is True for bar in bars)
    notes = [
        f"SI-SDR improvement on at most {settings.count} mixtures of each split at 0 dB; {seeds} seeds of training and "
        "dictionary; 95 % intervals bootstrapped over seeds and mixtures. Each is the best of its layout on valid.",
        f"Flash in all: {CODE_BYTES // KIB} KiB of code, {TABLE_BYTES // KIB} KiB of tables, 8-bit projections, codes "
        "with the bounds of the search, masks in whole words. Floating-point engine.",
        f"{CHOSEN}: prefixes of one artifact of `blsh train` per seed: learned codes and masks of 80 bands. "
        f"{PLAIN}: the paper's system with the default learner, IBMs of drawn frames, mel or stft, L of "
        f"{', '.join(map(str, settings.sizes.frontier_lengths))}. {EQUAL}: the extended system's mixtures, features, "
        "learner, K and smoothing with IBMs of drawn frames.",
        *(f"{bar.what}: {bar.told}, {state(bar)}" for bar in bars),
    ]
    if costed:
        notes.insert(
            2,
            "Instructions (not cycles) in millions for a second of audio, and RAM with the stack, server included, are "
            "`blsh estimate`'s for the first seed's model; the plain layouts keep their entries as drawn. RAM is what "
            f"the firmware takes on {costed.ram_board}.",
        )
    footer = f"{settings.command}\n{notes[0]}"
    draw = partial(_draw, panels, footer)
    whole = {
        "bars": [{**asdict(bar), "state": state(bar)} for bar in bars],
        "corpus_sha256": settings.corpus.sha256,
        "points": data,
        "seeds": seeds,
    }
    title = "Quality per byte of flash"
    told = f"{counted} of {len(bars)} bars met; {finding}"
    return Report(
        "frontier", title, settings.command, told, notes, header, lines, table, whole, draw, (0, 1, 2, 5), tabled=True
    )


def _draw(panels: Mapping[str, Sequence[Curve]], footer: str, path: Any) -> None:
    units = ["improvement of the SI-SDR, dB", *["million a second"] * (len(panels) - 2), "KiB"][: len(panels)]
    columns = 1 if len(panels) == 1 else 2
    draw_curves(panels, path, footer, "flash in all, KiB", units, columns=columns, one_scale=False)
