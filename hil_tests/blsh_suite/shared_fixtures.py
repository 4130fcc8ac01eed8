# SPDX-License-Identifier: Apache-2.0
"""Fixtures that the suite and the project's own tests share, as a pytest plugin: seeds, a corpus, two markers."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

# Read when numpy is first imported, here and in every process that a test starts. On small matrices, several processes
# with two threads of BLAS each spend most of their time waiting for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.synthetic_corpus import CorpusSize, make_corpus

FEW_UTTERANCES = 60
SMALL_CORPUS = CorpusSize(utterances=(24, 2, 14), noises=(9, 2, 4), noise_seconds=8.0)
SEED_IN_CI = 2026


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "slow: minutes long; run by `make test-slow`, not by `make test`")
    config.addinivalue_line("markers", "heavy: compiles, emulates or trains; `make test-fast` leaves it out")
    config.addinivalue_line("markers", "needs(program, ...): skipped where one of the programs is not installed")
    # pytest-xdist registers this one, too; an installed package runs the suite without it
    config.addinivalue_line("markers", "xdist_group(name): run by one process, one after another")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, before its fixtures are made."""
    for mark in item.iter_markers("needs"):
        _require(*mark.args)


@pytest.fixture(scope="session")
def require() -> Callable[..., None]:
    """Return a function that skips the test where one of the programs that it is given is not installed.

    For fixtures, and for what depends on a case; a test has the marker `needs`.
    """
    return _require


def _require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture
def test_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of this test's random choices; set BLSH_TEST_SEED to repeat a failure.

    A failing test shows the seed. With CI set, a test that is not slow always has the same seed, so that no change is
    blamed for bad luck. Slow tests roam: they are run to find what no fixed seed finds.
    """
    fixed = os.environ.get("CI") and request.node.get_closest_marker("slow") is None
    drawn = SEED_IN_CI if fixed else int(np.random.default_rng().integers(2**32))
    seed = int(os.environ.get("BLSH_TEST_SEED", drawn))
    print(f"BLSH_TEST_SEED={seed}")
    return seed


@pytest.fixture
def rng(test_seed: int) -> np.random.Generator:
    """Return a generator seeded by test_seed."""
    return np.random.default_rng(test_seed)


@pytest.fixture(scope="session")
def real_corpus_folder(pytestconfig: pytest.Config) -> Path | None:
    """Return $BLSH_CORPUS, or shared/corpus beside the checkout; None where there are no real recordings.

    A folder that the variable names is used whatever its layout; one that holds no corpus is an error, not a reason to
    go on with other recordings.
    """
    if named := os.environ.get("BLSH_CORPUS"):
        return Path(named)
    folder = pytestconfig.rootpath.parent / "shared" / "corpus"
    return folder if (folder / "manifest.csv").is_file() else None


@pytest.fixture(scope="session")
def any_corpus(real_corpus_folder: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return some real recordings where there are any, else a small synthetic corpus."""
    if real_corpus_folder is not None:
        return with_few_to_train_on(load_corpus(real_corpus_folder))
    return make_corpus(tmp_path_factory.mktemp("corpus") / "synthetic", 0, size=SMALL_CORPUS)


def with_few_to_train_on(corpus: Corpus) -> Corpus:
    """Return the same recordings but for those to train on: a few of them are kept, of as many speakers as possible."""
    speech = corpus.select("speech", "train")
    kept = set(speech[:: -(-len(speech) // FEW_UTTERANCES)])
    return replace(corpus, entries=tuple(each for each in corpus.entries if each not in speech or each in kept))
