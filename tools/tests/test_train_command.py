# SPDX-License-Identifier: Apache-2.0
"""`blsh train` interrupted and resumed, and on a cluster."""

from pathlib import Path

import numpy as np
import pytest

from .blsh_command import Blsh
from .tiny_corpus import TRAINING

pytestmark = pytest.mark.heavy


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
        (["--checkpoint=notes.txt"], r"notes\.txt is no checkpoint of a fit \(it is text"),
        (["--checkpoint=."], r"cannot write \.: it is a folder"),
        (["--checkpoint=fit.ckpt", "--learner=lsh"], "--checkpoint fit.ckpt is of no use: learner lsh"),
        (["--scheduler=tcp://127.0.0.1:1", "--learner=lsh"], "--scheduler tcp://127.0.0.1:1 is of no use"),
        (["--scheduler=tcp://127.0.0.1:1"], "is of no use: the masks learner .* choose --weighting residual"),
        (["--system=mine"], "system 'mine' is unknown; choose one of extended, paper"),
        (["--masks=soft"], "mask kind 'soft' is unknown"),
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
    sizes = ("--steps=2", "--passes=1", "--max-frames=300", "--entries=32", "--fit-frames=200")
    card = blsh.json("train", corpus, "-o", "model.npz", *sizes, *given)["card"]
    assert (card["options"]["mask_kind"], card["options"]["lengths"]) == (masks, lengths)
    assert ("grid" in card["metrics"]) == nested


def test_an_unreachable_scheduler_is_refused(blsh: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'blsh-mcu[distributed]'")
    monkeypatch.setattr("blsh_trainer.compute.dask_pool._CONNECT_SECONDS", "1s")
    blsh.refuse(
        r"the scheduler tcp://127\.0\.0\.1:1 does not answer .*start one",
        *("train", corpus, "-o", "model.npz", "--scheduler=tcp://127.0.0.1:1", "--weighting=residual"),
    )


def test_a_cluster_trains_the_very_same_artifact(blsh: Blsh, corpus: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'blsh-mcu[distributed]'")
    arguments = ("train", corpus, *TRAINING, "--bits=3", "--weighting=adaboost")
    blsh.succeed(*arguments, "-o", "here.npz")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        outcome = blsh.apart().succeed(*arguments, "-o", "there.npz", "--scheduler", cluster.scheduler_address)
    assert "Warning" not in outcome.stderr
    assert (blsh.cwd / "here.npz").read_bytes() == (blsh.cwd / "there.npz").read_bytes()
