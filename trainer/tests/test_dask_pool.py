# SPDX-License-Identifier: Apache-2.0
"""Learning on a Dask cluster: the same bits, also after a worker has died, and clusters that are refused."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.boosted import BLSH, BoostOptions
from blsh_trainer.signals.features import l2_normalise

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'blsh-mcu[distributed]'")

from blsh_trainer.compute.dask_pool import DaskPool  # noqa: E402

pytestmark = pytest.mark.heavy

FORMS = [
    {},
    {"weighting": "adaboost", "segment": 100, "sample": 4},
    {"target": "rbf", "segment": 150},
]


def frames(count, seed=3):
    rng = np.random.default_rng(seed)
    return l2_normalise(rng.gamma(0.3, size=(count, 16)) @ rng.gamma(0.3, size=(16, 20)))


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as two:
        yield two


def learned(H, pool=None, bits=3, progress=None, **options):
    model = BLSH(bits, np.random.default_rng(5), BoostOptions(steps=6, **options), pool).fit(H, progress)
    return np.column_stack([model.projections_, model.biases_, model.betas_])


@pytest.mark.parametrize("options", FORMS)
def test_a_cluster_learns_the_local_model_bit_for_bit(cluster, options):
    H = frames(600)
    with DaskPool(cluster.scheduler_address) as pool:
        np.testing.assert_array_equal(learned(H, pool, **options), learned(H, **options))


def test_workers_map_the_feature_file_for_themselves(cluster, tmp_path):
    H = frames(700).astype(np.float32)
    np.save(tmp_path / "features.npy", H)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    with DaskPool(cluster.scheduler_address) as pool:
        np.testing.assert_array_equal(
            learned(mapped, pool, bits=2, weighting="adaboost", segment=100),
            learned(H, bits=2, weighting="adaboost", segment=100),
        )
        assert pool.sent_bytes < H.nbytes + 150_000  # the shuffled order alone, not the frames


def test_only_projections_and_sums_cross_the_wire(cluster):
    counts = []
    with DaskPool(cluster.scheduler_address) as pool:
        H = frames(600)
        learned(H, pool, progress=lambda *_: counts.append(pool.sent_bytes + pool.received_bytes))
    assert max(np.diff(counts)) < H.astype(np.float32).nbytes


def is_gone(process):
    """Return whether the worker goes away in time: its timer may be late, and its parent takes a moment to bury it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("options", FORMS[:2])
def test_a_killed_worker_changes_nothing(cluster, options):
    H = frames(600)
    expected = learned(H, bits=6, **options)
    killed = []

    def kill(what, done, total):
        if done == 2 and not killed:
            process = next(iter(cluster.workers.values())).pid
            killed.append(process)
            threading.Timer(0.05, os.kill, (process, signal.SIGKILL)).start()

    with DaskPool(cluster.scheduler_address) as pool:
        np.testing.assert_array_equal(learned(H, pool, bits=6, progress=kill, **options), expected)
    assert killed
    assert is_gone(killed[0])


def test_an_unreachable_scheduler_is_named(monkeypatch):
    monkeypatch.setattr("blsh_trainer.compute.dask_pool._CONNECT_SECONDS", "1s")
    with pytest.raises(BlshError, match=r"scheduler tcp://127\.0\.0\.1:1 does not answer.*dask scheduler"):
        DaskPool("tcp://127.0.0.1:1")
    with pytest.raises(BlshError, match="scheduler nonsense://x does not answer"):
        DaskPool("nonsense://x")


def test_a_scheduler_without_workers_is_named():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(BlshError, match="has no workers"),
    ):
        DaskPool(empty.scheduler_address)


@pytest.mark.slow
def test_a_cluster_that_ends_in_mid_fit_is_told_and_its_checkpoint_serves(tmp_path):
    H, file = frames(600), tmp_path / "fit.ckpt"
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:

        def end(what, done, total):
            if done == 2:
                cluster.close()

        with DaskPool(cluster.scheduler_address) as pool, pytest.raises(BlshError, match="the cluster gave up"):
            BLSH(3, np.random.default_rng(5), BoostOptions(steps=6), pool).fit(H, end, file)
    resumed = BLSH(3, np.random.default_rng(5), BoostOptions(steps=6)).fit(H, checkpoint=file)
    np.testing.assert_array_equal(resumed.projections_, learned(H)[:, :20])
