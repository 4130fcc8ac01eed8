# SPDX-License-Identifier: Apache-2.0
"""The neural baselines: sizes, denoising, training that stops and goes on, and files that are refused."""

import builtins
import pickle

import numpy as np
import pytest

from blsh_trainer.baselines.architecture import PAPER_SIZES_MB, architecture, dense_parameters, require_torch
from blsh_trainer.errors import BlshError


@pytest.mark.parametrize("name", [name for name in PAPER_SIZES_MB if not name.startswith("conv")])
def test_mask_networks_have_the_papers_sizes(name):
    assert round(4 * dense_parameters(architecture(name)) / 1e6, 2) == PAPER_SIZES_MB[name]


@pytest.mark.parametrize("name", ["fc", "fc-3", "fc-0x32", "gru-2x32", "fc-3x32 ", "fc-3x999999", ""])
def test_an_unknown_architecture_is_refused(name):
    with pytest.raises(BlshError, match=r"is unknown(, did you mean .*\?)?; choose one of fc-3x1024"):
        architecture(name)


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    importing = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "torch":
            raise ImportError("No module named 'torch'")
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(BlshError, match=r"pip install 'blsh-mcu\[baselines\]'"):
        require_torch()


class TestWithTorch:
    """Tests that need the extra."""

    @pytest.fixture(autouse=True)
    def one_thread(self):
        torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'blsh-mcu[baselines]'")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)

    @pytest.mark.parametrize("name", ["fc-3x1024", "fc-2x32", "bilstm-2x64", "conv-tasnet-3x8"])
    def test_networks_have_as_many_parameters_as_the_paper_counts(self, name):
        from blsh_trainer.baselines.networks import build, parameter_count

        chosen = architecture(name)
        count = parameter_count(build(chosen))
        assert round(4 * count / 1e6, 2) == PAPER_SIZES_MB[name]
        if chosen.is_mask:
            assert count == dense_parameters(chosen)

    def test_initial_weights_are_those_of_the_seed(self):
        import torch

        from blsh_trainer.baselines.networks import build

        state = torch.get_rng_state()
        first, again, other = (build(architecture("fc-2x8"), seed).output.weight for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert torch.equal(torch.get_rng_state(), state)  # the random numbers of other code do not change

    @pytest.mark.parametrize("samples", [0, 1, 700, 16_000, 16_001])
    @pytest.mark.parametrize("name", ["fc-2x8", "bilstm-1x4", "conv-tasnet-1x2"])
    def test_estimates_are_as_long_as_the_mixture(self, name, samples, rng):
        denoiser = untrained(name)
        x = 0.1 * rng.standard_normal(samples)
        estimate = denoiser.denoise(x)
        assert estimate.shape == x.shape
        assert estimate.dtype == np.float64
        assert np.isfinite(estimate).all()

    @pytest.mark.parametrize("name", ["fc-2x8", "bilstm-1x4", "conv-tasnet-1x2"])
    def test_a_network_survives_its_file_and_a_pickle(self, name, rng, tmp_path):
        from blsh_trainer.baselines.denoiser import load_network

        denoiser = untrained(name)
        denoiser.save(tmp_path / "network.npz")
        read = load_network(tmp_path / "network.npz")
        x = 0.1 * rng.standard_normal(5000)
        np.testing.assert_array_equal(read.denoise(x), denoiser.denoise(x))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(read)).denoise(x), denoiser.denoise(x))
        assert read.size == denoiser.size
        assert read.card == {"by": "hand"}

    def test_a_silent_mixture_stays_silent(self):
        assert not untrained("fc-2x8").denoise(np.zeros(3000)).any()
        assert np.isfinite(untrained("conv-tasnet-1x2").denoise(np.zeros(3000))).all()

    def test_weights_of_another_size_are_refused(self):
        from blsh_trainer.baselines.denoiser import NetworkDenoiser

        with pytest.raises(BlshError, match="weights are not those of fc-2x9"):
            NetworkDenoiser(architecture("fc-2x9"), untrained("fc-2x8").weights)
        broken = {name: value * np.nan for name, value in untrained("fc-2x8").weights.items()}
        with pytest.raises(BlshError, match="not finite"):
            NetworkDenoiser(architecture("fc-2x8"), broken)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", "checkpoint"])
    def test_a_file_that_is_no_network_is_refused(self, content, tmp_path):
        from blsh_trainer.baselines.denoiser import load_network
        from blsh_trainer.baselines.network_file import save_arrays

        file = tmp_path / "network.npz"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            save_arrays(file, "baseline checkpoint", {}, {})
        with pytest.raises(BlshError, match=r"network\.npz is (no|a)"):
            load_network(file)
        with pytest.raises(BlshError, match="there is no file"):
            load_network(tmp_path / "none.npz")

    def test_a_small_fc_network_learns_to_denoise(self, tiny_corpus):
        from blsh_trainer.baselines.network_training import NeuralBaseline
        from blsh_trainer.corpora.mixing import draw_mixtures
        from blsh_trainer.evaluation.metrics import si_sdr

        told = []
        baseline = NeuralBaseline("fc-2x32", passes=4, epochs=6, learning_rate=3e-3)
        baseline.fit(tiny_corpus, lambda *step: told.append(step))
        assert baseline.history_[-1]["train_loss"] < 0.9 * np.log(2)  # the loss of a guess that knows nothing
        assert baseline.denoiser_.card["valid_gain_db"] == max(row["valid_gain_db"] for row in baseline.history_)
        assert told[0] == ("epoch 1", 1, 48)
        gains = []
        for named in draw_mixtures(tiny_corpus, "test", 4, 0.0, np.random.default_rng(1)):
            signals = named.signals
            estimate = baseline.denoiser_.estimate(signals)
            gains.append(si_sdr(signals.speech, estimate) - si_sdr(signals.speech, signals.mixture))
        assert np.mean(gains) > 1.0

    @pytest.mark.parametrize(("name", "stop"), [("fc-2x8", 20), ("bilstm-1x4", 5), ("conv-tasnet-1x1", 5)])
    def test_an_interrupted_training_goes_on_to_the_same_weights(self, name, stop, tiny_corpus, tmp_path, monkeypatch):
        from blsh_trainer.baselines.network_training import NeuralBaseline, _Run

        monkeypatch.setattr("blsh_trainer.baselines.examples.BATCH", {"fc": 64, "bilstm": 4, "conv-tasnet": 4})
        for size in ("FILTERS", "BOTTLENECK", "CHANNELS"):
            monkeypatch.setattr(f"blsh_trainer.baselines.networks.{size}", 8)
        step, steps = _Run._step, []

        def counted(run, example):
            if len(steps) == stop:
                steps.append("interrupted")
                raise KeyboardInterrupt
            steps.append("trained")
            return step(run, example)

        whole = NeuralBaseline(name, epochs=2).fit(tiny_corpus)
        monkeypatch.setattr(_Run, "_step", counted)
        checkpoint = tmp_path / "checkpoint.npz"
        options = {"epochs": 2, "checkpoint": checkpoint, "checkpoint_seconds": 1e-9}
        with pytest.raises(KeyboardInterrupt):  # within the second epoch
            NeuralBaseline(name, **options).fit(tiny_corpus)
        resumed = NeuralBaseline(name, **options).fit(tiny_corpus)
        for figure in ("train_loss", "valid_gain_db"):
            assert [row[figure] for row in resumed.history_] == [row[figure] for row in whole.history_]
        assert steps.count("trained") == {"fc-2x8": 30}.get(name, 6)  # none was done twice
        for key, value in whole.denoiser_.weights.items():
            np.testing.assert_array_equal(resumed.denoiser_.weights[key], value)
        with pytest.raises(BlshError, match="is of a training with seed 0, not 1"):
            NeuralBaseline(name, seed=1, **options).fit(tiny_corpus)

    def test_a_training_without_time_gives_a_network_and_can_go_on(self, tiny_corpus, tmp_path):
        from blsh_trainer.baselines.network_training import NeuralBaseline

        options = {"epochs": 1, "checkpoint": tmp_path / "checkpoint.npz"}
        hasty = NeuralBaseline("fc-2x8", seconds=1e-6, **options).fit(tiny_corpus)
        assert hasty.history_ == []
        assert hasty.denoiser_.denoise(np.zeros(2000)).shape == (2000,)
        patient = NeuralBaseline("fc-2x8", **options).fit(tiny_corpus)
        np.testing.assert_array_equal(
            patient.denoiser_.weights["output.weight"],
            NeuralBaseline("fc-2x8", epochs=1).fit(tiny_corpus).denoiser_.weights["output.weight"],
        )

    def test_training_ends_when_the_valid_split_gains_no_more(self, tiny_corpus):
        from blsh_trainer.baselines.network_training import NeuralBaseline

        baseline = NeuralBaseline("fc-2x32", epochs=60, patience=2, learning_rate=0.05).fit(tiny_corpus)
        gains = [row["valid_gain_db"] for row in baseline.history_]
        assert len(gains) < 60
        assert len(gains) - 1 - int(np.argmax(gains)) == 2

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"epochs": 0}, "epochs is 0"),
            ({"passes": 0}, "passes is 0"),
            ({"patience": 0}, "patience is 0"),
            ({"seconds": -1.0}, "seconds is -1.0"),
            ({"learning_rate": float("nan")}, "learning_rate is nan"),
            ({"seed": -1}, "seed is -1"),
            ({"snr_db": float("inf")}, "SNR inf dB"),
            ({"learning_rate": 1e30}, "diverged"),
        ],
    )
    def test_unfit_options_are_refused(self, options, words, tiny_corpus):
        from blsh_trainer.baselines.network_training import NeuralBaseline

        with pytest.raises(BlshError, match=words):
            NeuralBaseline("fc-2x8", **{"epochs": 2, **options}).fit(tiny_corpus)

    def test_a_corpus_without_a_valid_split_is_refused(self, corpus_rows, make_folder):
        from blsh_trainer.baselines.network_training import NeuralBaseline
        from blsh_trainer.corpora.corpus import load_corpus

        corpus = load_corpus(make_folder([row for row in corpus_rows if row["split"] != "valid"]))
        with pytest.raises(BlshError, match="no valid split"):
            NeuralBaseline("fc-2x8").fit(corpus)

    def test_a_full_disk_leaves_the_former_checkpoint(self, tiny_corpus, tmp_path, small_disk):
        from blsh_trainer.baselines.network_training import NeuralBaseline

        checkpoint = tmp_path / "checkpoint.npz"
        with small_disk(4096), pytest.raises(BlshError, match=r"cannot write .*checkpoint\.npz"):
            NeuralBaseline("fc-2x8", epochs=1, checkpoint=checkpoint).fit(tiny_corpus)
        assert not list(tmp_path.iterdir())
        NeuralBaseline("fc-2x8", epochs=1, checkpoint=checkpoint).fit(tiny_corpus)
        before = checkpoint.read_bytes()
        with small_disk(4096), pytest.raises(BlshError, match=r"cannot write .*checkpoint\.npz"):
            NeuralBaseline("fc-2x8", epochs=2, checkpoint=checkpoint).fit(tiny_corpus)
        assert checkpoint.read_bytes() == before
        assert list(tmp_path.iterdir()) == [checkpoint]


def untrained(name):
    """Return a network with the weights that training would begin with."""
    from blsh_trainer.baselines.denoiser import NetworkDenoiser
    from blsh_trainer.baselines.networks import build

    weights = {key: value.numpy() for key, value in build(architecture(name)).state_dict().items()}
    return NetworkDenoiser(architecture(name), weights, {"by": "hand"})
