# SPDX-License-Identifier: Apache-2.0
"""Count the work of each stage of a hop for a model, in terms whose cost on a core is measured (`measured_costs`).

The instructions of a stage are its counts, each times its cost, added up. The transforms have a cost for each size of
frames; everything else about a geometry is counted: samples, bins, filters, ticks.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.rank_work import RANK_TERMS, is_ranked, rank_work
from blsh_codegen.cost.search_work import SEARCH_TERMS, search_work
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.pipeline.vectorised_voting import Ballot
from blsh_codegen.spec.constants import VOTE_WEIGHTS, overlap_scale
from blsh_codegen.spec.packing import unpack_words
from blsh_codegen.spec.stages import STAGES
from blsh_trainer.signals.geometry import Geometry

HOP_STAGES: Final = (*STAGES, "rest")
"""The stages, and `rest`: what a hop takes outside of them."""

MANY_NEIGHBOURS: Final = 16
"""With this many neighbours or more, the core counts votes in six bit planes, below in four."""


_BANDS_AT_ONCE: Final = 4
"""Bands for which the core adds a neighbour's votes at a time."""


@dataclass(frozen=True)
class Work:
    """The work of one stage. counts: int64 (T, terms), a row for each hop; terms: the names of its columns."""

    terms: tuple[str, ...]
    counts: npt.NDArray[np.int64]


def signal_codes(model: IntegerModel, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Return the codes (T, L) of the hops of `samples` (int16, whole hops). The dictionary has no part in them."""
    if isinstance(model, MaskIntegers):
        model = replace(model, codes=model.codes[: model.neighbours], masks=model.masks[: model.neighbours])
    words = np.concatenate([part.code for part in VectorisedDenoiser(model).chunks(samples)])
    return unpack_words(words.astype(np.uint32), model.bits)


def stage_work(model: IntegerModel, codes: npt.NDArray[np.bool_], lanes: int) -> dict[str, Work]:
    """Return the work of each of HOP_STAGES for hops with `codes`, bool (T, L).

    lanes: words that the core works on at once, as of `search_work`.
    """
    return fixed_work(model, codes) | {"neighbours": neighbour_work(model, codes, lanes)}


def neighbour_work(model: IntegerModel, codes: npt.NDArray[np.bool_], lanes: int) -> Work:
    """Return the work of the search, which depends on the dictionaries."""
    if is_ranked(model):
        return Work(RANK_TERMS, rank_work(model, codes, lanes))
    return Work(SEARCH_TERMS, search_work(model, codes, lanes))


def fixed_work(model: IntegerModel, codes: npt.NDArray[np.bool_]) -> dict[str, Work]:
    """Return the work of all HOP_STAGES but the search: the work that does not depend on the dictionary."""
    hops, bits = codes.shape
    fours, octets = model.projection_rows.shape[:2]
    signs = np.stack([np.ones(hops, np.int64), np.full(hops, bits), codes.sum(axis=1)], axis=1)
    geometry = model.geometry
    frame, new = {f"frames of {geometry.window}": 1}, {"new samples": geometry.hop}
    alike = {
        "window": frame | new,
        "spectrum": frame,
        "accumulators": {
            model.feature_kind.name: 1,
            "octets": octets,
            "fours": fours,
            "octets of fours": fours * octets,
        },
        "output": frame | new | _overlap_terms(geometry),
        "rest": {"hops": 1},
    }
    works = {stage: Work(tuple(terms), _every_hop(terms, hops)) for stage, terms in alike.items()}
    works["features"] = _feature_work(model, hops)
    if isinstance(model, VotingIntegers):
        terms = ("voting hops", "projections", "thresholds reached")
        signs[:, 1] = len(model.thresholds)
        return works | {"code": Work(terms, signs), "mask": _vote_work(model, codes)}
    assert isinstance(model, MaskIntegers)
    mask = _mask_terms(model)
    return works | {"code": Work(("hops", "bits", "ones"), signs), "mask": Work(tuple(mask), _every_hop(mask, hops))}


def _overlap_terms(geometry: Geometry) -> dict[str, int]:
    """Return the samples that are added to sums which stay, and those of which a third is taken."""
    thirds, _ = overlap_scale(geometry)
    return {"kept samples": geometry.synthesis - 2 * geometry.hop, "thirds": geometry.hop if thirds else 0}


def _feature_work(model: IntegerModel, hops: int) -> Work:
    """Return the work of features. What they remember moves on in the first hop of a tick."""
    kind, geometry = model.feature_kind, model.geometry
    terms = {kind.name: 1, "bins": geometry.bins}
    if model.mel is not None:
        terms["weights"] = len(model.mel.weights_q16)
    counts = _every_hop(terms, hops)
    if not (kind.memory or kind.tracked):
        return Work(tuple(terms), counts)
    moved = np.arange(hops) % geometry.hops_per_tick == 0
    return Work((*terms, f"{kind.name}, ticks"), np.column_stack([counts, moved.astype(np.int64)]))


def _every_hop(terms: dict[str, int], hops: int) -> npt.NDArray[np.int64]:
    return np.tile(np.array(list(terms.values()), np.int64), (hops, 1))


def _mask_terms(model: MaskIntegers) -> dict[str, int]:
    kind, neighbours = model.mask_kind, model.neighbours
    if model.band_edges is None:
        counted = "words, 4 planes" if neighbours < MANY_NEIGHBOURS else "words, 6 planes"
        words = model.geometry.window // 64
        terms = {"bits": 1, "neighbours": neighbours, counted: words, f"{counted}, neighbours": words * neighbours}
    else:
        words = model.masks.shape[1]
        sums = words * 8 // kind.level_bits
        terms = {"bands": 1, "words": words, "sums": sums, "sums, neighbours": sums * neighbours}
        terms["bins"] = model.geometry.bins
    return terms | ({"smoothed": kind.width} if model.smoothing else {})


def _vote_work(model: VotingIntegers, codes: npt.NDArray[np.bool_]) -> Work:
    """Return the work of votes. A voter is a neighbour with a weight; its votes are added for four bands at a time."""
    _, distances = Ballot(model).neighbours(codes)
    behind = distances.reshape(len(codes), model.dictionaries, model.neighbours)
    behind = np.minimum(behind - behind[:, :, :1], VOTE_WEIGHTS)
    weights = np.pad(model.weights, ((0, 0), (0, 1)))
    voters = np.stack([(row[behind[:, g]] > 0).sum(axis=1) for g, row in enumerate(weights)], axis=1)
    widths = [bands.stop - bands.start for bands in model.groups]
    fours = np.array([width // _BANDS_AT_ONCE for width in widths])
    ones = np.array([width % _BANDS_AT_ONCE for width in widths])
    alike = {"votes": 1, "dictionaries": model.dictionaries, "fours": int(fours.sum()), "single bands": int(ones.sum())}
    alike["bins"] = model.geometry.bins
    if model.bit_votes is not None:
        alike["votes of projections"] = len(model.bit_votes)
        alike["octets of votes"] = len(model.bit_votes) * model.mask_bands // 8
    if model.smoothing or model.smoothing_down:
        alike["smoothed"] = model.mask_bands
    counted = {"voters": voters.sum(axis=1), "voters of fours": voters @ fours, "voters of single bands": voters @ ones}
    counts = np.concatenate([_every_hop(alike, len(codes)), np.stack(list(counted.values()), axis=1)], axis=1)
    return Work((*alike, *counted), counts)
