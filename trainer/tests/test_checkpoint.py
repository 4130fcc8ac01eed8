# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from blsh_trainer.compute.block_pool import LocalPool
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.boosted import BLSH, BoostOptions
from blsh_trainer.signals.features import l2_normalise

pytestmark = pytest.mark.heavy

SCRIPT = """
import sys
import time
import numpy as np
from blsh_trainer.learning.boosted import BLSH, BoostOptions
features, checkpoint, result, weighting = sys.argv[1:]
def tell(what, done, total):
    print(done, flush=True)
    if done == 8 and result.endswith("none.npy"):
        time.sleep(600)  # who is to kill this process may be busy
model = BLSH(12, np.random.default_rng(7), BoostOptions(weighting, segment=100))
model.fit(np.load(features), tell, checkpoint)
np.save(result, np.column_stack([model.projections_, model.biases_, model.betas_]))
"""


class StopError(Exception):
    pass


def frames(count=600, seed=4):
    rng = np.random.default_rng(seed)
    return l2_normalise(rng.gamma(0.3, size=(count, 16)) @ rng.gamma(0.3, size=(16, 20)))


def fit(H, bits=6, stop_at=None, checkpoint=None, seed=7, **options):
    def tell(what, done, total):
        if done == stop_at:
            raise StopError

    learner = BLSH(bits, np.random.default_rng(seed), BoostOptions(**{"segment": 100, **options}))
    return learner.fit(H, tell, checkpoint)


def learned(model):
    return np.column_stack([model.projections_, model.biases_, model.betas_])


@pytest.mark.parametrize(
    "options", [{}, {"target": "rbf"}, {"weighting": "adaboost"}, {"weighting": "adaboost", "sample": 2}]
)
def test_an_interrupted_fit_resumes_to_the_same_bits(tmp_path, options):
    H, file = frames(), tmp_path / "fit.ckpt"
    for stop in (1, 4):
        with pytest.raises(StopError):
            fit(H, stop_at=stop, checkpoint=file, **options)
    np.testing.assert_array_equal(learned(fit(H, checkpoint=file, **options)), learned(fit(H, **options)))


def test_a_checkpoint_also_begins_a_longer_fit_and_ends_a_shorter_one(tmp_path):
    H, file = frames(), tmp_path / "fit.ckpt"
    fit(H, bits=4, checkpoint=file)
    np.testing.assert_array_equal(learned(fit(H, bits=8, checkpoint=file)), learned(fit(H, bits=8)))
    np.testing.assert_array_equal(learned(fit(H, bits=3, checkpoint=file)), learned(fit(H, bits=3)))


def _hear_interrupts():
    """Let this process hear Ctrl-C: jobs in the background of a shell and their children are deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("weighting", ["residual", pytest.param("adaboost", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kill", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_a_killed_process_resumes_to_the_same_bytes(tmp_path, kill, weighting):
    np.save(tmp_path / "H.npy", frames())
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "H.npy")]
    file = tmp_path / "fit.ckpt"
    process = subprocess.Popen(
        [*command, str(file), str(tmp_path / "none.npy"), weighting],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )
    while (line := process.stdout.readline()) and int(line) < 3:
        pass
    process.send_signal(kill)
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (-kill, 1) and not (tmp_path / "none.npy").exists()
    if kill == signal.SIGINT:
        assert errors.strip().endswith("KeyboardInterrupt")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["H.npy", "fit.ckpt"]  # nothing half-written
    with np.load(file) as archive:
        assert 3 <= len(archive["betas"]) < 12
    subprocess.run([*command, str(file), str(tmp_path / "resumed.npy"), weighting], check=True, capture_output=True)
    subprocess.run(
        [*command, str(tmp_path / "other"), str(tmp_path / "whole.npy"), weighting], check=True, capture_output=True
    )
    assert (tmp_path / "resumed.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 8}, "a fit with seed"),
        ({"steps": 3}, "a fit with steps 20, this one has 3"),
        ({"weighting": "adaboost"}, "a fit with weighting 'residual', this one has 'adaboost'"),
        ({"H": frames(seed=5)}, "other training frames"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(tmp_path, options, words):
    file = tmp_path / "fit.ckpt"
    fit(frames(), bits=2, checkpoint=file)
    before = file.read_bytes()
    with pytest.raises(BlshError, match=words):
        fit(**{"H": frames(), "checkpoint": file, **options})
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(BlshError, match=r"notes\.txt is no checkpoint of a fit"):
        fit(frames(), checkpoint=file)
    assert file.read_bytes() == content
    with pytest.raises(BlshError, match="is a folder; name a file"):
        fit(frames(), checkpoint=tmp_path)


def test_foreign_archives_and_damaged_checkpoints_are_refused(tmp_path):
    file = tmp_path / "fit.npz"
    np.savez(file, weights=np.zeros((1, 2)))
    with pytest.raises(BlshError, match="is no checkpoint of a fit"):
        fit(frames(), checkpoint=file)
    file.unlink()
    fit(frames(), bits=2, checkpoint=file)
    with np.load(file) as archive:
        parts = dict(archive)
    with file.open("wb") as stream:
        np.savez(stream, **{**parts, "weights": parts["weights"][:, 1:]})
    with pytest.raises(BlshError, match="damaged checkpoint"):
        fit(frames(), checkpoint=file)


def test_a_full_disk_leaves_the_former_checkpoint_whole(tmp_path, small_disk):
    H, file = frames(), tmp_path / "fit.ckpt"
    fit(H, bits=2, checkpoint=file)
    before = file.read_bytes()
    with small_disk(len(before) + 40), pytest.raises(BlshError, match=r"cannot write .*fit\.ckpt"):
        fit(H, bits=6, checkpoint=file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
    np.testing.assert_array_equal(learned(fit(H, checkpoint=file)), learned(fit(H)))


def test_an_interrupt_ends_the_threads_without_waiting_for_work_not_begun():
    def work(item):
        if item == 0:
            raise KeyboardInterrupt
        time.sleep(0.01)
        done.append(item)

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        LocalPool(2).map(work, range(1000))
    assert len(done) < 500
