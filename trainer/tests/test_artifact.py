# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.model.artifact_file import FORMAT_VERSION


def small_model(**changes):
    rng = np.random.default_rng(41)
    parts = {
        "name": "small",
        "feature_kind": "mel",
        "neighbours": 3,
        "projections": rng.standard_normal((11, 128)),
        "biases": rng.standard_normal(11),
        "betas": np.ones(11),
        "code_bits": rng.random((100, 11)) < 0.5,
        "mask_levels": (rng.random((100, 513)) < 0.3).astype(np.uint8),
        "card": {"seed": 41, "metrics": {}, "corpus": {"name": "ünïcode"}},
    }
    return Model(**{**parts, **changes})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.npz"
    save_model(path, small_model())
    return path


def rewrite(path, change):
    """Rewrite the artifact's arrays as `change` (which edits a dict) leaves them; hash and card stay."""
    with np.load(path) as loaded:
        arrays = dict(loaded)
    change(arrays)
    np.savez(path, **arrays)


def edit_card(arrays, **changes):
    card = {**json.loads(arrays["card"].tobytes()), **changes}
    arrays["card"] = np.frombuffer(json.dumps(card).encode(), dtype=np.uint8)


def test_a_saved_model_comes_back(saved):
    model, loaded = small_model(), load_model(saved)
    for name in ("projections", "biases", "betas", "code_bits", "mask_levels"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
        assert getattr(loaded, name).dtype == getattr(model, name).dtype
    assert (loaded.name, loaded.feature_kind, loaded.neighbours) == ("small", "mel", 3)
    assert loaded.card == model.card and loaded.sha256 == model.sha256
    assert (loaded.bits, loaded.entries) == (11, 100)


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    save_model(tmp_path / "again.npz", load_model(saved))
    assert (tmp_path / "again.npz").read_bytes() == saved.read_bytes()


def test_card_and_arrays_lie_in_the_file_as_documented(saved):
    with np.load(saved, allow_pickle=False) as loaded:
        assert sorted(loaded.files) == [*("betas", "biases", "card", "codes", "format_version", "masks", "projections")]
        assert loaded["codes"].shape == (100, 2) and loaded["masks"].shape == (100, 65)
        card = json.loads(loaded["card"].tobytes())
    assert card["sha256"] == small_model().sha256 and card["seed"] == 41


def extended_model(**changes):
    levels = np.random.default_rng(42).integers(0, 16, (100, 80)).astype(np.uint8)
    options = {"mask_kind": "bands", "mask_levels": levels, "smoothing": 9, "floor": 13, "feature_kind": "tracked"}
    return small_model(**{**options, **changes})


def test_a_model_of_the_first_format_is_what_it_was():
    model = small_model()
    assert model.format_version == 1
    assert model.sha256 == "9d3c6794ecfc7c168033bf4bbb7ded9703d8d571fffd066b65dc11e06b8e3a5e"


def test_an_extended_model_comes_back(tmp_path):
    model = extended_model()
    save_model(tmp_path / "model.npz", model)
    loaded = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.mask_levels, model.mask_levels)
    options = ("feature_kind", "mask_kind", "smoothing", "floor", "card", "sha256", "format_version")
    assert [getattr(loaded, name) for name in options] == [getattr(model, name) for name in options]
    with np.load(tmp_path / "model.npz") as arrays:
        assert arrays["format_version"] == 2 and arrays["masks"].shape == (100, 40)
        assert arrays["masks"][0, 0] == model.mask_levels[0, 0] | model.mask_levels[0, 1] << 4


@pytest.mark.parametrize("change", [{"feature_kind": "mel"}, {"smoothing": 8}, {"floor": 12}])
def test_the_hash_covers_the_options(change):
    assert extended_model(**change).sha256 != extended_model().sha256


def test_options_are_kept_by_smaller_models():
    model = extended_model()
    for smaller in (model.subsample(10), model.truncate(3), model.with_metrics({})):
        assert (smaller.mask_kind, smaller.smoothing, smaller.floor) == ("bands", 9, 13)
    assert model.subsample(10).mask_levels.shape == (10, 80)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("mask_kind", "soft", "'soft' is unknown"), ("smoothing", 99, "smoothing is 99"), ("floor", 14, "changed after")],
)
def test_an_option_changed_on_the_card_is_refused(tmp_path, name, value, words):
    path = tmp_path / "model.npz"
    save_model(path, extended_model())
    rewrite(path, lambda arrays: edit_card(arrays, **{name: value}))
    with pytest.raises(BlshError, match=words):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"neighbours": 4},
        {"biases": np.zeros(11)},
        {"mask_levels": np.zeros((100, 513), dtype=np.uint8)},
        {"smoothing": 1},
        {"floor": 1},
        {"feature_kind": "tracked"},
        {"card": {"seed": 42}},
    ],
)
def test_the_hash_covers_everything(change):
    assert small_model(**change).sha256 != small_model().sha256


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BlshError, match=r"no model artifact .*none\.npz"):
        load_model(tmp_path / "none.npz")


def test_a_name_too_long_and_a_file_that_may_not_be_read_are_refused(saved, locked):
    with pytest.raises(BlshError, match="no model artifact"):
        load_model(saved.with_name("x" * 300))
    with locked(saved), pytest.raises(BlshError, match=r"cannot read .*model\.npz: Permission denied"):
        load_model(saved)


def test_a_full_disk_is_told(tmp_path, small_disk):
    for size in (0, 100, 5000, 15_000):
        with small_disk(size), pytest.raises(BlshError, match=r"cannot write .*model\.npz: File too large"):
            save_model(tmp_path / "model.npz", small_model())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"plain text\n", b"\x80\x04N."])
def test_a_file_that_is_no_artifact_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(BlshError, match="not a model artifact"):
        load_model(tmp_path / "x.npz")


def test_other_numpy_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "array.npz").write_bytes(buffer.getvalue())
    with pytest.raises(BlshError, match=r"not a model artifact .no format_version"):
        load_model(tmp_path / "other.npz")
    with pytest.raises(BlshError, match=r"not a model artifact.*a single array of numpy's"):
        load_model(tmp_path / "array.npz")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_artifact_is_refused(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BlshError, match="cut short"):
        load_model(saved)


def test_any_damaged_byte_is_refused_or_harmless(saved):
    data = saved.read_bytes()
    seed = 43
    print("seed", seed)
    for at in np.random.default_rng(seed).integers(0, len(data), 150):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        saved.write_bytes(damaged)
        with contextlib.suppress(BlshError):
            assert load_model(saved).sha256 == small_model().sha256  # a date or a flag of the zip's own


def test_damage_that_looks_like_encryption_is_refused(saved):
    with zipfile.ZipFile(saved) as archive:
        heads = [info.header_offset for info in archive.infolist()]
    data = bytearray(saved.read_bytes())
    directory = data.index(b"PK\x01\x02")
    for at in (*(head + 6 for head in heads), directory + 8):  # the flags, here and in the directory
        data[at] |= 1
    saved.write_bytes(data)
    with pytest.raises(BlshError, match="encrypted"):
        load_model(saved)


def test_a_newer_format_is_refused_before_anything_else(saved):
    def newer(arrays):
        arrays["format_version"] = np.array(FORMAT_VERSION + 1)
        del arrays["codes"]

    rewrite(saved, newer)
    with pytest.raises(BlshError, match=r"made by a newer version.*upgrade"):
        load_model(saved)


@pytest.mark.parametrize("version", [np.array(0), np.array([1]), np.array(1.0)])
def test_other_odd_versions_are_refused(saved, version):
    rewrite(saved, lambda arrays: arrays.update(format_version=version))
    with pytest.raises(BlshError, match=r"format.version"):
        load_model(saved)


@pytest.mark.parametrize("name", ["projections", "biases", "betas", "codes", "masks", "card"])
def test_a_missing_array_is_refused(saved, name):
    rewrite(saved, lambda arrays: arrays.pop(name))
    with pytest.raises(BlshError, match=f"lacks the array '{name}'"):
        load_model(saved)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("projections", np.zeros((11, 128), dtype=np.float32), "'projections' is float32"),
        ("projections", np.zeros((11, 127)), r"projections have shape \(11, 127\); expected \(bits, 128\)"),
        ("biases", np.zeros((11, 1)), "'biases' is float64 with shape"),
        ("biases", np.zeros(10), r"biases has shape \(10,\); expected \(11,\)"),
        ("codes", np.zeros((100, 3), dtype=np.uint8), r"expected uint8 \(rows, 2\)"),
        ("codes", np.zeros((99, 2), dtype=np.uint8), r"mask_levels has shape \(100, 513\); expected \(99, 513\)"),
        ("masks", np.zeros((100, 65), dtype=bool), "'masks' is bool"),
        ("card", np.frombuffer(b"not json", dtype=np.uint8), "card is not JSON"),
        ("card", np.frombuffer(b"[1]", dtype=np.uint8), "card is a list"),
        ("card", np.frombuffer(b"{}", dtype=np.uint8), "the card lacks 'name'"),
    ],
)
def test_a_wrong_array_is_refused(saved, name, array, words):
    rewrite(saved, lambda arrays: arrays.update({name: array}))
    with pytest.raises(BlshError, match=words):
        load_model(saved)


@pytest.mark.parametrize("name", ["projections", "biases", "betas"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(saved, name, value):
    rewrite(saved, lambda arrays: arrays[name].flat.__setitem__(2, value))
    with pytest.raises(BlshError, match=f"{name} must be finite float64"):
        load_model(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays["biases"].__setitem__(0, 0.25),
        lambda arrays: arrays["masks"].__setitem__((0, 0), arrays["masks"][0, 0] ^ 1),
        lambda arrays: edit_card(arrays, seed=42),
        lambda arrays: edit_card(arrays, sha256="0" * 64),
    ],
)
def test_changed_content_is_refused(saved, change):
    rewrite(saved, change)
    with pytest.raises(BlshError, match="changed after training"):
        load_model(saved)


def test_pickled_arrays_are_never_loaded(saved):
    with zipfile.ZipFile(saved, "a") as archive, archive.open("extra.npy", "w") as member:
        np.lib.format.write_array(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BlshError, match="damaged"):
        load_model(saved)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*_args, **_kwargs):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(RuntimeError):
        save_model(saved, small_model())
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == ["model.npz"]


def test_smaller_dictionaries_lie_within_larger_ones():
    model = replace(small_model(), mask_levels=np.eye(100, 513, dtype=np.uint8))  # a mask tells its entry
    chosen = [set(np.flatnonzero(model.subsample(n, seed=5).mask_levels.any(axis=0))) for n in (10, 40, 100)]
    assert [len(entries) for entries in chosen] == [10, 40, 100]
    assert chosen[0] < chosen[1] < chosen[2]
    part = model.subsample(40, seed=5)
    order = part.mask_levels.argmax(axis=1)
    assert (np.diff(order) > 0).all()
    np.testing.assert_array_equal(part.code_bits, model.code_bits[order])
    assert part.card["subsample"] == {"parent_sha256": model.sha256, "entries": 40, "of": 100, "seed": 5}


def test_a_share_is_rounded_up_and_seeds_differ():
    model = small_model()
    assert model.subsample(share=0.07).entries == 7
    assert model.subsample(share=0.071).entries == 8
    assert model.subsample(share=1.0).entries == 100
    assert (model.subsample(50, seed=1).mask_levels != model.subsample(50, seed=2).mask_levels).any()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"share": 0.0}, "share 0.0 of the dictionary"),
        ({"share": 1.01}, "share 1.01"),
        ({"share": float("nan")}, "share nan"),
        ({"share": 0.01}, "share 0.01 is 1 entries; choose 3"),
        ({"entries": 2}, "2 entries asked for; choose 3 .* to 100"),
        ({"entries": 101}, "101 entries asked for"),
        ({}, "give one of the two"),
        ({"entries": 5, "share": 0.5}, "give one of the two"),
    ],
)
def test_unfit_subsamples_are_refused(asked, words):
    with pytest.raises(BlshError, match=words):
        small_model().subsample(**asked)


def test_truncation_keeps_the_first_bits(tmp_path):
    model = small_model()
    short = model.truncate(4)
    np.testing.assert_array_equal(short.code_bits, model.code_bits[:, :4])
    np.testing.assert_array_equal(short.projections, model.projections[:4])
    assert short.card["truncate"] == {"parent_sha256": model.sha256, "bits": 4, "of": 11}
    save_model(tmp_path / "short.npz", short)
    assert load_model(tmp_path / "short.npz").sha256 == short.sha256
    for bits in (0, 12):
        with pytest.raises(BlshError, match=f"{bits} bits asked for"):
            model.truncate(bits)


def test_metrics_go_on_the_card():
    scored = small_model().with_metrics({"si_sdr_db": 3.0})
    assert scored.card["metrics"] == {"si_sdr_db": 3.0} and small_model().card["metrics"] == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "model name ''"),
        ({"feature_kind": "mfcc"}, "'mfcc' is unknown"),
        ({"neighbours": 101}, "101 neighbours of 100 entries"),
        ({"code_bits": np.zeros((100, 11))}, "code_bits has dtype float64"),
        ({"mask_levels": np.zeros((100, 513))}, "mask levels have shape .100, 513., dtype float64; expected uint8"),
        ({"mask_levels": np.full((100, 513), 2, np.uint8)}, "ibm mask levels go up to 2; expected 0 to 1"),
        ({"mask_kind": "bands"}, r"mask_levels has shape \(100, 513\); expected \(100, 80\)"),
        ({"mask_kind": "soft"}, "mask kind 'soft' is unknown; choose one of ibm, bands"),
        ({"smoothing": 16}, "smoothing is 16; choose a whole number from 0 to 15"),
        ({"smoothing": 0.5}, "smoothing is 0.5"),
        ({"smoothing": True}, "smoothing is True"),
        ({"floor": -1}, "floor is -1; choose a whole number from 0 to 255"),
        ({"card": {"path": object()}}, "the card is not JSON"),
        ({"card": {"x": float("nan")}}, "the card is not JSON"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(change, words):
    with pytest.raises(BlshError, match=words):
        small_model(**change)
