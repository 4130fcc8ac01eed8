# SPDX-License-Identifier: Apache-2.0
"""The limit of attenuation, and what a hop tells: the same in all implementations, and what their users expect."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import decode_image, encode_image, read_head, sealed
from blsh_codegen.host_core import HostCore
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import ATTENUATION_OFF, MOST_ATTENUATION, Q14_ONE, least_q14
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, Geometry

from .agreement import assert_all_agree
from .conftest import random_model

Samples = npt.NDArray[np.int16]
EACH_CLASS = pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)


def voting_integers(geometry: Geometry) -> VotingIntegers:
    model = integer_model(random_voting_model(geometry=geometry), GenerateOptions())
    assert isinstance(model, VotingIntegers)
    return model


def both_kinds(rng: np.random.Generator, geometry: Geometry) -> list[IntegerModel]:
    masks = random_model(rng, "tracked", 40, 60, 8, "bands", smoothing=9, geometry=geometry)
    return [masks, random_model(rng, "stft", 20, 60, 3, "ibm", geometry=geometry), voting_integers(geometry)]


@EACH_CLASS
def test_limits_that_change_in_each_hop_agree(rng: np.random.Generator, geometry: Geometry) -> None:
    limits = [0, ATTENUATION_OFF, 0, 12, 1, MOST_ATTENUATION, 6, 20]
    for model in both_kinds(rng, geometry):
        for name in ("white_noise", "speech_like", "one_step", "full_scale", "alternating_full_scale", "click"):
            assert_all_agree(model, edge_signal(name, len(limits) * geometry.hop, rng), f"{model.name}, {name}", limits)


def test_a_stream_begins_with_the_limit_of_its_model(rng: np.random.Generator) -> None:
    model = random_model(rng, "tracked", masks="bands", attenuation=9)
    samples = edge_signal("speech_like", 8 * 256, rng)
    assert_all_agree(model, samples, "the model's limit")
    unlimited = replace(model, attenuation=ATTENUATION_OFF)
    assert_all_agree(unlimited, samples, "the same limit, set", [9] * 8)
    own, without = VectorisedDenoiser(model).stages(samples), VectorisedDenoiser(unlimited).stages(samples)
    assert np.array_equal(own.mask, np.maximum(without.mask, least_q14()[9]))
    assert not np.array_equal(own.mask, without.mask)


@EACH_CLASS
def test_what_settles_does_not_depend_on_the_limit(rng: np.random.Generator, geometry: Geometry) -> None:
    """After hops with another limit, a hop has the mask and the activity that it has without them."""
    for model in both_kinds(rng, geometry):
        samples = edge_signal("speech_like", 20 * geometry.hop, rng)
        denoiser = VectorisedDenoiser(model)
        limits = np.resize([0, 12, ATTENUATION_OFF, 60], 20)
        free, changed = denoiser.stages(samples), denoiser.stages(samples, limits.tolist())
        assert np.array_equal(free.mask[limits == ATTENUATION_OFF], changed.mask[limits == ATTENUATION_OFF])
        assert np.array_equal(free.activity, changed.activity)
        assert (changed.mask[limits == 0] == Q14_ONE).all()


@EACH_CLASS
def test_a_limit_of_0_db_is_a_bypass_with_the_delay_of_the_model(rng: np.random.Generator, geometry: Geometry) -> None:
    for model in both_kinds(rng, geometry):
        core = HostCore(model)
        core.set_attenuation(0)
        samples = rng.integers(-16_000, 16_000, 40 * geometry.hop).astype(np.int16)
        output, delay = core.hops(samples).astype(int), core.delay_samples()
        assert np.abs(output[delay:] - samples[: len(samples) - delay]).max() <= 8, model.name


def test_the_least_gains_are_those_of_whole_decibels() -> None:
    table = least_q14().tolist()
    assert table[0] == Q14_ONE and table[6] == 8211 and table[12] == 4115 and table[20] == 1638 and table[60] == 16
    assert len(table) == MOST_ATTENUATION + 1 and table == sorted(table, reverse=True)


@pytest.mark.parametrize("limit", [MOST_ATTENUATION + 1, 200, 254, 256, -1])
def test_another_limit_is_refused_and_leaves_the_one_there_is(rng: np.random.Generator, limit: int) -> None:
    model = random_model(rng, "tracked", masks="bands")
    samples = edge_signal("white_noise", 256, rng)
    core, reference = HostCore(model), ReferenceDenoiser(model)
    for each in (core, reference):
        each.set_attenuation(6)
        with pytest.raises(BlshError, match="0 to 60"):
            each.set_attenuation(limit)
        assert each.hop(samples).mask.min() >= least_q14()[6]
    with pytest.raises(BlshError, match="0 to 60"):
        VectorisedDenoiser(model).stages(samples, [limit])
    with pytest.raises(BlshError, match="limit of attenuation"):
        HostCore(replace(model, attenuation=limit))


def test_an_image_carries_the_limit(rng: np.random.Generator) -> None:
    model = random_model(rng, attenuation=12)
    image = encode_image(model)
    assert read_head(image).attenuation == 12 and decode_image(image).attenuation == 12
    damaged = bytearray(image)
    damaged[118:120] = (61).to_bytes(2, "little")
    with pytest.raises(BlshError, match="limit that no model has: attenuation is 61"):
        decode_image(sealed(bytes(damaged)))


def with_gains(model: MaskIntegers, gain: int) -> MaskIntegers:
    """Return `model` with one gain for all sums of levels."""
    return replace(model, gain_q14=np.full_like(model.gain_q14, gain), smoothing=0, smoothing_down=0)


@pytest.mark.parametrize(("decibels", "activity"), [(0, 255), (3, 128), (6, 64), (12, 16), (20, 3), (60, 0)])
@EACH_CLASS
def test_activity_and_reduction_of_one_gain_in_all_bands(
    rng: np.random.Generator, geometry: Geometry, decibels: int, activity: int
) -> None:
    """255 times the square of the gain, and the gain in dB, as soon as all of the output was heard with it."""
    model = with_gains(random_model(rng, "tracked", masks="bands", geometry=geometry), int(least_q14()[decibels]))
    for level in (3000, 20_000):
        samples = rng.integers(-level, level, 40 * geometry.hop).astype(np.int16)
        stages = VectorisedDenoiser(model).stages(samples)
        told = geometry.synthesis // geometry.hop  # hops until all of the output is of whole frames
        assert set(stages.activity[told:]) == {activity}
        # the output of a loss of 60 dB is rounded to steps that are as large as itself
        assert np.abs(stages.reduction_db[told:] - decibels).max() <= (1 if decibels < 60 else 6)


def test_nothing_is_told_of_silence(rng: np.random.Generator) -> None:
    """Gains of 1, and of the random masks: neither is activity where no sound is, and no sound is not quieter."""
    for model in (with_gains(random_model(rng), Q14_ONE), random_model(rng), voting_integers(CLASSES["hearing"])):
        hop = model.geometry.hop
        for name in ("silence", "single_one"):
            stages = VectorisedDenoiser(model).stages(edge_signal(name, 12 * hop, rng))
            assert not stages.activity[:5].any() and not stages.reduction_db[:5].any()
            assert_all_agree(model, edge_signal(name, 12 * hop, rng), name)


def test_reduction_is_of_the_output_and_of_what_it_belongs_to(rng: np.random.Generator) -> None:
    """Against levels in floats, for each hop of signals that rise and fall."""
    for geometry in CLASSES.values():
        for model in both_kinds(rng, geometry):
            hop, lag = geometry.hop, geometry.lag
            loudness = np.exp(rng.uniform(2, 9, 60)).repeat(hop)
            samples = (rng.normal(0, 1, 60 * hop) * loudness).clip(-32768, 32767).astype(np.int16)
            stages = VectorisedDenoiser(model).stages(samples)
            delayed = np.concatenate([np.zeros(lag), samples])[: len(samples)].reshape(-1, hop)
            levels = [10 * np.log10(np.maximum((part**2.0).sum(axis=1), 1)) for part in (delayed, stages.output)]
            fall = np.maximum(levels[0] - levels[1], 0)
            assert np.abs(stages.reduction_db - fall).max() <= 0.75
            assert (np.abs(stages.reduction_db - fall) > 0.6).mean() < 0.02
            assert stages.reduction_db.max() > 3


@pytest.mark.parametrize("name", EDGE_SIGNALS)
def test_activity_and_reduction_of_edge_signals_are_within_their_range(rng: np.random.Generator, name: str) -> None:
    for model in both_kinds(rng, CLASSES["headset"]):
        stages = VectorisedDenoiser(model).stages(edge_signal(name, 40 * model.geometry.hop, rng))
        assert stages.activity.min() >= 0 and stages.activity.max() <= 255
        assert stages.reduction_db.min() >= 0 and stages.reduction_db.max() <= 115


STEADY = {
    "sine": lambda n, rng: 9000 * np.sin(2 * np.pi * 0.0173 * n),
    "noise": lambda n, rng: rng.normal(0, 2500, len(n)),
}


@pytest.mark.parametrize("signal", STEADY)
@EACH_CLASS
def test_a_change_of_the_limit_does_not_click(rng: np.random.Generator, geometry: Geometry, signal: str) -> None:
    """Off to 0 dB, and from either to 12: no jump between neighbouring samples is over 1.1 of those at 0 dB.

    The louder of two steady states is the one with the limit of 0 dB: the input.
    """
    hops = 40 * geometry.hops_per_tick
    samples = STEADY[signal](np.arange(5 * hops * geometry.hop), rng).clip(-32768, 32767).astype(np.int16)
    limits = np.array([0, ATTENUATION_OFF, 0, 12, ATTENUATION_OFF]).repeat(hops).tolist()
    for model in both_kinds(rng, geometry):
        denoiser = VectorisedDenoiser(model)
        changed, steady = (
            np.abs(np.diff(denoiser.hops(samples, each).astype(int)[geometry.synthesis :])).max()
            for each in (limits, [0] * len(limits))
        )
        assert changed <= 1.1 * steady, model.name
