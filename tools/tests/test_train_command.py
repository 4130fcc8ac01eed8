# SPDX-License-Identifier: Apache-2.0
"""`blsh train`: its default system, options of each system, interrupted and resumed, and on a cluster."""

import inspect
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from blsh_tools.commands.train import OF_OTHERS, OF_VOTING, train
from blsh_trainer.learning.joint.integers import response_table
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.options import PAPER
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.geometry import CLASSES

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import TRAINING, corpus_rows

pytestmark = pytest.mark.heavy

EXTENDED = "--system=extended"
VOTING = ("--projections=12", "--thresholds=2", "--dictionaries=4", "--entries=16", "--passes=1", "--steps=12")
"""Options of the default system with which it takes seconds."""


def bits_kept(checkpoint: Path) -> int:
    with np.load(checkpoint) as archive:
        return len(archive["betas"])


def test_interrupted_training_goes_on_from_its_checkpoint(blsh: Blsh, corpus: Path) -> None:
    # The line "learning bits" stands there from the first bit on; 320 bits take long enough to be interrupted.
    fit = ("--system=paper", "--weighting=residual", "--fit-frames=1800", "--features=stft")
    arguments = ["train", corpus, "-o", "model.npz", "--bits=320", *fit]
    outcome = blsh.interrupt("learning", *arguments, "--checkpoint=fit.ckpt")
    assert (outcome.code, outcome.stdout) == (130, "")
    assert "Traceback" not in outcome.stderr
    assert [path.name for path in blsh.cwd.iterdir()] == ["fit.ckpt"] and 1 <= bits_kept(blsh.cwd / "fit.ckpt") < 320
    short = ["train", corpus, "--bits=8", *fit]
    blsh.succeed(*short, "-o", "resumed.npz", "--checkpoint=fit.ckpt")
    blsh.succeed(*short, "-o", "whole.npz")
    assert (blsh.cwd / "resumed.npz").read_bytes() == (blsh.cwd / "whole.npz").read_bytes()
    blsh.refuse(
        r"fit\.ckpt is of a fit with weighting 'residual', this one has 'adaboost'; remove it",
        *short,
        *("-o", "other.npz", "--checkpoint=fit.ckpt", "--weighting=adaboost"),
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--checkpoint=notes.txt"], r"notes\.txt is no checkpoint of a joint fit \(it is text"),
        ([EXTENDED, "--checkpoint=notes.txt"], r"notes\.txt is no checkpoint of a fit \(it is text"),
        (["--checkpoint=."], r"cannot write \.: it is a folder"),
        ([EXTENDED, "--checkpoint=fit.ckpt", "--learner=lsh"], "--checkpoint fit.ckpt is of no use: learner lsh"),
        ([EXTENDED, "--scheduler=tcp://127.0.0.1:1", "--learner=lsh"], "--scheduler tcp://127.0.0.1:1 is of no use"),
        ([EXTENDED, "--scheduler=tcp://127.0.0.1:1"], "is of no use: the masks learner .* choose --weighting residual"),
        (["--system=mine"], "system 'mine' is unknown; choose one of voting, extended, paper"),
        ([EXTENDED, "--masks=soft"], "mask kind 'soft' is unknown"),
        (["--smoothing=16"], "--smoothing 16; choose 0 to 15"),
    ],
)
def test_what_cannot_be_kept_or_shared_is_refused(blsh: Blsh, corpus: Path, option: list[str], words: str) -> None:
    (blsh.cwd / "notes.txt").write_text("not forgotten\n")
    blsh.refuse(words, "train", corpus, "-o", "model.npz", *option)


@pytest.mark.parametrize(
    ("given", "masks", "lengths", "nested"),
    [
        (["--bits=70", "--masks=bands1"], "bands1", [64], True),
        (["--bits=8"], "bands2", [], True),
        (["--bits=8", "--masks=ibm"], "ibm", [], False),
    ],
)
def test_the_extended_system_is_refined_at_the_lengths_below_its_bits(
    blsh: Blsh, corpus: Path, given: list[str], masks: str, lengths: list[int], nested: bool
) -> None:
    sizes = (EXTENDED, "--steps=2", "--passes=1", "--max-frames=300", "--entries=32", "--fit-frames=200")
    card = blsh.json("train", corpus, "-o", "model.npz", *sizes, *given)["card"]
    assert (card["options"]["mask_kind"], card["options"]["lengths"]) == (masks, lengths)
    assert ("grid" in card["metrics"]) == nested


RULES = ("--floor-db=-20", "--start-odds=2", "--steady-odds=1", "--shift-odds=-0.5")


def test_the_default_is_a_voting_model(blsh: Blsh, corpus: Path) -> None:
    made = blsh.apart().json("train", corpus, "-o", "model.npz", *VOTING, *RULES, "--jobs=1")
    model = load_model(blsh.cwd / "model.npz")
    assert isinstance(model, VotingModel) and made["model_sha256"] == model.sha256
    assert (made["bits"], made["dictionaries"], made["dictionary_entries"]) == (24, 4, 16)
    options = made["card"]["options"]
    assert (options["projections"], options["passes"], options["floor_db"]) == (12, 1, -20.0)
    assert (model.start_votes, model.steady_votes) == (128, 64)
    assert np.array_equal(model.response_q14, response_table(-20.0, -0.5))


@pytest.mark.parametrize("system", ["voting", "extended"])
def test_a_model_may_have_a_limit_of_its_own(blsh: Blsh, corpus: Path, system: str) -> None:
    sizes = VOTING if system == "voting" else (EXTENDED, "--steps=2", "--passes=1", "--max-frames=300", "--entries=32")
    few = () if system == "voting" else ("--fit-frames=200", "--bits=8")
    made = blsh.json("train", corpus, "-o", "model.npz", *sizes, *few, "--attenuation=15")
    model = load_model(blsh.cwd / "model.npz")
    assert (model.attenuation, made["card"]["options"]["attenuation"]) == (15, 15)
    blsh.refuse("attenuation '70'; choose a whole number", "train", corpus, "-o", "model.npz", "--attenuation=70")


def test_the_default_names_a_recording_that_cannot_be_used(blsh: Blsh, bench: Bench) -> None:
    rows = corpus_rows()
    root = bench.own_corpus(rows)
    (root / rows[0]["path"]).write_bytes(b"no sound")
    blsh.apart().refuse(r"train0/0\.flac is not audio", "train", root, "-o", "model.npz", *VOTING)
    assert not (blsh.cwd / "model.npz").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--bits=64", "--bits 64 is an option of extended and paper, and the system is voting; give --system extended"),
        ("--plain", "--plain is an option of extended and paper, and the system is voting"),
        ("--features=mel", "--features mel is an option of extended and paper, and the system is voting"),
        ("--scheduler=tcp://h:1", "--scheduler tcp://h:1 is an option of extended and paper"),
        ("--system=paper --floor-db=-9", "--floor-db -9.0 is an option of voting, and the system is paper; give"),
        ("--system=extended --jobs=2", "--jobs 2 is an option of voting, and the system is extended"),
        ("--system=extended --rank=0", "--rank 0 is an option of voting, and the system is extended; give --system v"),
    ],
)
def test_an_option_of_another_system_is_refused(blsh: Blsh, corpus: Path, given: str, words: str) -> None:
    blsh.refuse(words, "train", corpus, "-o", "model.npz", *given.split())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--latency=20ms", r"no class has a latency of 20 ms at 16000 Hz; choose 64 ms \(recorder\), 32 ms"),
        ("--latency=soon", "--latency 'soon'; give milliseconds, as 16ms"),
        ("--latency=16ms --rate=8000", r"latency of 16 ms at 8000 Hz; choose 32 ms \(phone\)"),
        ("--rate=12000", "--rate 12000; choose one of 8000, 16000"),
        ("--geometry=16000/512/128", "geometry '16000/512/128' is unknown; give RATE/WINDOW/HOP/SYNTHESIS"),
        ("--geometry=16000/512/100/200", "a hop of 100 samples does not divide a window of 512"),
        ("--geometry=headset --latency=8ms", "--geometry headset with --latency 8ms; give one of the two"),
        ("--latency=8ms --dictionaries=65", "dictionaries is 65; choose 1 to 48"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(blsh: Blsh, corpus: Path, given: str, words: str) -> None:
    blsh.refuse(words, "train", corpus, "-o", "model.npz", *given.split())


def test_each_system_takes_a_latency_and_a_rate(blsh: Blsh, corpus: Path) -> None:
    blsh.succeed("train", corpus, "-o", "short.npz", "--latency=8ms", *VOTING)
    masks = ("--system=paper", "--bits=16", "--features=mel", "--fit-frames=600")
    blsh.succeed("train", corpus, "-o", "phone.npz", "--rate=8000", *masks)
    short, phone = (load_model(blsh.cwd / name) for name in ("short.npz", "phone.npz"))
    assert (short.geometry, phone.geometry) == (CLASSES["hearing"], CLASSES["phone"])
    told = blsh.json("evaluate", "phone.npz", corpus, "--count=2", "--snr=0", "--metrics=pesq,si_sdr_db", "--jobs=1")
    assert told["mixtures"]["rate_hz"] == 8_000
    said = blsh.succeed("evaluate", "phone.npz", corpus, "--count=2", "--snr=0", "--metrics=pesq", "--jobs=1").stdout
    assert "PESQ-NB" in said and "at 8000 Hz" in said
    blsh.refuse("steadiness of a model of 8000 Hz", "evaluate", "phone.npz", corpus, "--metrics=steadiness")


def test_the_help_shows_each_option_under_its_systems() -> None:
    shared = set(JointOptions().to_card()) & set(PAPER.to_card())
    panels: dict[str, set[str]] = {}
    for name, parameter in inspect.signature(train).parameters.items():
        panels.setdefault(get_args(parameter.annotation)[1].rich_help_panel or "", set()).add(name)
    names = {"feature_kind": "features", "mask_kind": "masks", "snr_db": "snr"}
    for panel, options in ((OF_VOTING, JointOptions()), (OF_OTHERS, PAPER)):
        own = {names.get(each, each) for each in set(options.to_card()) - shared}
        assert panels[panel] <= own | {"device", "jobs", "coordinator", "rank", "ranks", "scheduler"}
    assert not panels[OF_VOTING] & panels[OF_OTHERS] and shared & panels[""] == shared


def test_an_unreachable_scheduler_is_refused(blsh: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'blsh-mcu[distributed]'")
    monkeypatch.setattr("blsh_trainer.compute.dask_pool._CONNECT_SECONDS", "1s")
    blsh.refuse(
        r"the scheduler tcp://127\.0\.0\.1:1 does not answer .*start one",
        *("train", corpus, "-o", "model.npz", EXTENDED, "--scheduler=tcp://127.0.0.1:1", "--weighting=residual"),
    )


@pytest.mark.slow
def test_a_cluster_trains_the_very_same_artifact(blsh: Blsh, corpus: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'blsh-mcu[distributed]'")
    arguments = ("train", corpus, *TRAINING, "--bits=3", "--weighting=adaboost")
    blsh.succeed(*arguments, "-o", "here.npz")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        outcome = blsh.apart().succeed(*arguments, "-o", "there.npz", "--scheduler", cluster.scheduler_address)
    assert "Warning" not in outcome.stderr
    assert (blsh.cwd / "here.npz").read_bytes() == (blsh.cwd / "there.npz").read_bytes()
