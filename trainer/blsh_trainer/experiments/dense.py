# SPDX-License-Identifier: Apache-2.0
"""A dense network of the look-up's cost beside the look-up: trained on the same scenes, scored on the same mixtures."""

from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from blsh_trainer.baselines.dense_network import DenseDenoiser, DenseNetwork, dense_layers
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviours import measure_behaviours
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.evaluate import Blind, Denoiser, evaluate_systems
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_comparison import against_peers
from blsh_trainer.evaluation.protocols import PeersMixtures
from blsh_trainer.experiments.dense_report import LOOKUP, NETWORK, dense_report
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.settings import NetworkFirmware, Settings
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.learning.joint.devices import Devices
from blsh_trainer.learning.joint.fit import fit_jointly
from blsh_trainer.learning.joint.options import JointOptions, joint_options
from blsh_trainer.learning.joint.scene_frames import gather_scenes
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.progress import named_within

UNITS_A_STEP = 8
"""Widths are multiples of it: the core's dot products take eight inputs at once."""
_EQUAL_ON = "M4"
_FAST_STEPS = 20


def dense(settings: Settings) -> Report:
    """Train a network that costs what the voting model `settings.model` costs on M4, and score both in floats.

    BlshError without `settings.model` or `settings.network_firmware`, for a model that does not vote or was trained on
    another corpus, for a corpus without the peers' mixtures, and where no network costs as little as the model.
    """
    firmware = settings.network_firmware
    if settings.model is None:
        raise BlshError("the dense network has the cost of a voting model; give one as --model")
    lookup = load_model(settings.model)
    if not isinstance(lookup, VotingModel) or firmware is None:
        raise BlshError(f"{settings.model} has no votes, or nothing counts its cost; give one of --system voting")
    trained_on = lookup.card.get("corpus", {})
    if trained_on.get("sha256") != settings.corpus.sha256:
        raise BlshError(
            f"{settings.model} was trained on {trained_on.get('name', 'no corpus')}, not on {settings.corpus.place}; "
            "give the corpora that it was trained on, in the same order"
        )
    mixtures = PeersMixtures(settings.corpus, count=settings.mixtures or (1 if settings.fast else None))
    costs = {LOOKUP: firmware.lookup()}
    widths = {core: width_within(most, firmware, core) for core, most in costs[LOOKUP].millions_per_second.items()}
    width = widths[_EQUAL_ON]
    if width == 0:
        raise BlshError(f"no dense network costs as little as {settings.model} on {_EQUAL_ON}; give a larger model")
    costs[NETWORK] = firmware.network(width)
    network = _trained(width, _options(lookup, settings), settings)
    data = _scored(network, lookup, mixtures, settings)
    data["network"] = {"width": width, "sha256": network.sha256, "widths_of_equal_cost": widths}
    data["lookup_costs"] = asdict(costs[LOOKUP])
    data["costs"] = {**asdict(costs[NETWORK]), "millions": costs[NETWORK].millions_per_second, "source": "MAC count"}
    return dense_report(data, costs, settings.command)


def width_within(millions: float, firmware: NetworkFirmware, core: str) -> int:
    """Return the units of the widest network of at most `millions` of instructions a second on `core`; 0 for none."""
    width = 0
    while firmware.network(width + UNITS_A_STEP).millions_per_second[core] <= millions:
        width += UNITS_A_STEP
    return width


def _options(lookup: VotingModel, settings: Settings) -> JointOptions:
    """Return the options that the look-up was trained with; with --fast, of a few steps."""
    options = joint_options(lookup.card["options"])
    return replace(options, passes=1, steps=_FAST_STEPS) if settings.fast else options


def _trained(width: int, options: JointOptions, settings: Settings) -> DenseNetwork:
    """Return the network, from the store if it has it; an interrupted training goes on where it was."""
    store = Store(settings.work)
    identity = {"corpus_sha256": settings.corpus.sha256, "dense": width, "options": options.to_card()}
    kept = store.arrays("networks", identity)
    if kept is not None:
        return DenseNetwork(**cast(dict[str, Any], kept))
    checkpoint = store.path("networks", identity, ".checkpoint")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    told = named_within(settings.progress, f"dense network of {width} units")
    frames = gather_scenes(settings.corpus, options.passes, options.seed, settings.jobs, told)
    layers = dense_layers(width)
    learned, scaling = fit_jointly(frames, options, options.seed, Devices("cpu"), checkpoint, told, layers)
    network = DenseNetwork.of(learned, scaling, options)
    store.keep_arrays("networks", identity, network.arrays())
    checkpoint.unlink(missing_ok=True)
    return network


def _scored(network: DenseNetwork, lookup: VotingModel, mixtures: PeersMixtures, settings: Settings) -> dict[str, Any]:
    """Return the scores of both in the form of `blsh evaluate --peers`, from the store if it has them."""
    store = Store(settings.work)
    models = {"network": network.sha256, "model": lookup.sha256}
    identity = {**models, "corpus_sha256": settings.corpus.sha256, **mixtures.describe()}
    kept = store.result("dense", identity)
    if kept is None:
        denoisers: dict[str, Denoiser] = {NETWORK: DenseDenoiser(network), LOOKUP: FloatDenoiser(lookup)}
        systems = {name: Blind(denoiser) for name, denoiser in denoisers.items()}
        told = named_within(settings.progress, "dense")
        found = evaluate_systems(systems, mixtures, tuple(METRICS), settings.jobs, progress=told)
        behaved = {
            name: measure_behaviours(denoiser, settings.corpus, jobs=settings.jobs, progress=told).to_dict()
            for name, denoiser in denoisers.items()
        }
        kept = {
            **found.to_dict(),
            "engine": "float",
            "behaviours": behaved[NETWORK],
            "lookup_behaviours": behaved[LOOKUP],
            "peers": [asdict(each) for each in against_peers(found, NETWORK)],
            "against_lookup": [_difference(found, name, snr) for snr in found.snrs_db for name in found.metrics],
        }
        store.keep_result("dense", identity, kept)
    scored: dict[str, Any] = kept
    return scored


def _difference(found: Any, metric: str, snr_db: float) -> dict[str, Any]:
    """Return the mean of the network's figures less the look-up's, mixture by mixture, and its interval."""
    apart = found.values(NETWORK, metric, snr_db) - found.values(LOOKUP, metric, snr_db)
    return {"metric": metric, "snr_db": snr_db, **mean_interval(apart[np.isfinite(apart)], found.seed).to_dict()}
