# SPDX-License-Identifier: Apache-2.0
"""A wrong file given as a model or checkpoint is named by its true kind, not in numpy's words."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
import soundfile

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.checkpoint import Checkpoint
from blsh_trainer.model.artifact import load_model


def audio(kind: str) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, 0.1 * np.ones(500), 16_000, format=kind)
    return content.getvalue()


def array(**options: object) -> bytes:
    content = io.BytesIO()
    np.save(content, **options)
    return content.getvalue()


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name, member in members.items():
            made.writestr(name, member)
    return content.getvalue()


OBJECTS = array(arr=np.array([{}], object), allow_pickle=True)
HUGE = array(arr=np.zeros(3)).replace(b"(3,)", b"(10000000000000,)")
JUNK = {
    "nothing": (b"", "it is empty"),
    "text": (b"path,kind,split\n", "it is text, expected a zip archive of numpy's arrays"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "wav": (audio("WAV"), "it is a WAV file, expected a zip archive of numpy's arrays"),
    "flac": (audio("FLAC"), "it is a FLAC file"),
    "ogg": (audio("OGG"), "it is an Ogg file"),
    "gzip": (gzip.compress(b"x"), "compressed by gzip"),
    "pickle": (pickle.dumps({}), "it is a pickle of Python's"),
    "zeros": (bytes(900), "it is of no known kind"),
    "npy": (array(arr=np.zeros(3)), "it is a single array of numpy's"),
    "npy of objects": (OBJECTS, "it is a single array of numpy's"),
    "npy cut short": (array(arr=np.zeros(3))[:20], "it is a single array of numpy's"),
    "huge npy": (HUGE, "it is a single array of numpy's"),
    "zip of nothing": (archive(), "no (format_version|identity) in it, it holds no arrays"),
    "zip of text": (archive(format_version=b"1", identity=b"{}"), "no .* in it, it holds no arrays"),
    "arrays of others": (archive(**{"x.npy": array(arr=np.zeros(3))}), "no .* in it, it holds x"),
    "cut short": (archive(**{"format_version.npy": b"x"})[:-5], "begins as a zip archive and has no end of one"),
    "no arrays": (archive(**dict.fromkeys(("format_version.npy", "identity.npy"), b"x")), "array '.*' is damaged"),
    "objects": (archive(**dict.fromkeys(("format_version.npy", "identity.npy"), OBJECTS)), "array '.*' is damaged"),
    "huge arrays": (archive(**dict.fromkeys(("format_version.npy", "identity.npy"), HUGE)), "array '.*' is damaged"),
}


@pytest.mark.parametrize("case", JUNK)
def test_junk_is_named_for_what_it_is(tmp_path, case):
    content, words = JUNK[case]
    file = tmp_path / "given"
    file.write_bytes(content)
    for load in (load_model, lambda path: Checkpoint(path, {}, "").load(3)):
        with pytest.raises(BlshError, match=words) as refused:
            load(file)
        assert "allow_pickle" not in str(refused.value) and "given is" in str(refused.value)


def test_a_checkpoint_is_no_model(tmp_path):
    Checkpoint(tmp_path / "fit.ckpt", {}, "").save(np.zeros((1, 3)), np.ones(1))
    with pytest.raises(BlshError, match=r"fit\.ckpt is not a model artifact .*it holds identity, weights, betas"):
        load_model(tmp_path / "fit.ckpt")
