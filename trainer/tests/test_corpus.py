# SPDX-License-Identifier: Apache-2.0
"""Manifests: what is understood, what is refused and with which words."""

import shutil

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.errors import BlshError

from .conftest import write_corpus

pytestmark = pytest.mark.heavy


def test_entries_keep_the_manifest_s_order(tiny_corpus, corpus_rows):
    assert tiny_corpus.entries == tuple(Entry(**row) for row in corpus_rows)
    assert tiny_corpus.name == "tiny"
    assert len(tiny_corpus.select("speech", "train")) == 12


def test_hash_covers_manifest_and_contents(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    first = load_corpus(root).sha256
    assert load_corpus(root).sha256 == first
    recording = root / corpus_rows[0]["path"]
    recording.write_bytes(recording.read_bytes() + b"\0")
    second = load_corpus(root).sha256
    manifest = root / "manifest.csv"
    manifest.write_text(manifest.read_text() + "\n")
    assert len({first, second, load_corpus(root).sha256}) == 3


def test_mixtures_need_both_kinds(make_folder, corpus_rows):
    rows = [row for row in corpus_rows if (row["kind"], row["split"]) != ("noise", "valid")]
    corpus = load_corpus(make_folder(rows))
    assert [corpus.has(split) for split in ("train", "valid", "test")] == [True, False, True]


def test_missing_folder_and_manifest_are_refused(tmp_path):
    with pytest.raises(BlshError, match="no corpus folder"):
        load_corpus(tmp_path / "none")
    with pytest.raises(BlshError, match=r"fits none of the layouts(.|\n)*manifest: no manifest\.csv"):
        load_corpus(tmp_path)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("path,kind\na.wav,speech\n", "lacks the columns split, speaker_or_type"),
        ("", "lacks the columns path"),
        ("path,kind,split,speaker_or_type\n", "lists no files"),
        ("path,kind,split,speaker_or_type\na.wav,song,train,x\n", "line 2: kind 'song'"),
        ("path,kind,split,speaker_or_type\na.wav,speech,dev,x\n", "line 2: split 'dev'"),
        ("path,kind,split,speaker_or_type\na.wav,speech,train\n", "speaker_or_type is empty"),
        ("path,kind,split,speaker_or_type\n../a.wav,speech,train,x\n", "stay inside the corpus"),
        ("path,kind,split,speaker_or_type\n/a.wav,speech,train,x\n", "stay inside the corpus"),
        ("path,kind,split,speaker_or_type\nno.wav,speech,train,x\n", r"lists no\.wav, which is missing"),
    ],
)
def test_bad_manifests_are_refused(tmp_path, manifest, words):
    (tmp_path / "manifest.csv").write_text(manifest)
    with pytest.raises(BlshError, match=words):
        load_corpus(tmp_path)


HEADER = "path,kind,split,speaker_or_type\n"


def test_a_listed_name_too_long_is_missing(tmp_path):
    (tmp_path / "manifest.csv").write_text(f"{HEADER}{'x' * 300},speech,train,x\n")
    with pytest.raises(BlshError, match=r"lists x*, which is missing"):
        load_corpus(tmp_path)
    with pytest.raises(BlshError, match="no corpus folder"):
        load_corpus(tmp_path / ("x" * 300))


@pytest.mark.parametrize("name", ["manifest.csv", "noise/train_0_0.flac"])
def test_files_that_may_not_be_read_are_refused(make_folder, corpus_rows, locked, name):
    root = make_folder(corpus_rows)
    with locked(root / name), pytest.raises(BlshError, match=f"cannot read .*{name}: Permission denied"):
        load_corpus(root)


def test_a_byte_order_mark_is_no_part_of_the_first_column(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    entries = load_corpus(root).entries
    manifest = root / "manifest.csv"
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    assert load_corpus(root).entries == entries


@pytest.mark.parametrize("again", ["noise/a.wav", "./noise//a.wav"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_file_listed_twice_is_refused(tmp_path, again, split):
    rows = f"noise/a.wav,noise,train,x\nb.wav,speech,train,y\n{again},noise,{split},x\n"
    (tmp_path / "manifest.csv").write_text(HEADER + rows)
    with pytest.raises(BlshError, match=f"lists {again} in line 2 and in line 4; drop one"):
        load_corpus(tmp_path)


def spoilt(text: str, how: str) -> bytes:
    """Return the manifest as other programs write it."""
    rows = text.replace("\r\n", "\n")
    head, below = rows.split("\n", 1)
    changed = {
        "semicolons": rows.replace(",", ";"),
        "tabs": rows.replace(",", "\t"),
        "bars": rows.replace(",", "|"),
        "spaces": rows.replace(",", " , "),
        "capitals in the head": f"{head.title()}\n{below}",
        "capitals in the cells": rows.replace(",speech,", ",Speech,").replace(",train,", ",TRAIN,"),
        "a comment": "# made by hand\n\n" + rows.replace("\n", "\n# another, one\n", 3),
        "a head that is a comment": "# " + rows,
        "a line taken out": rows.replace("\nnoise", "\n#gone/x.wav,noise,test,y\nnoise", 1),
        "for Excel": "sep=;\n" + rows.replace(",", ";"),
        "quotes": "\n".join(", ".join(f'"{c}"' for c in line.split(",")) for line in rows.splitlines()),
        "another order": "\n".join(",".join(["x", *line.split(",")[::-1]]) for line in rows.splitlines()),
        "backslashes": rows.replace("/", "\\"),
        "lone CR": rows.replace("\n", "\r"),
        "CR LF": rows.replace("\n", "\r\n"),
        "empty lines": rows.replace("\n", "\n\n"),
    }
    if how in changed:
        return changed[how].encode()
    return rows.encode(how)  # utf-16 and utf-32 begin with a mark


@pytest.mark.parametrize(
    "how",
    [
        *("semicolons", "tabs", "bars", "spaces", "capitals in the head", "capitals in the cells", "a comment"),
        *("a head that is a comment", "a line taken out", "for Excel", "quotes", "another order", "backslashes"),
        *("lone CR", "CR LF", "empty lines", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"),
    ],
)
def test_a_manifest_is_understood_where_it_is_unambiguous(make_folder, corpus_rows, how):
    root = make_folder(corpus_rows)
    entries = load_corpus(root).entries
    manifest = root / "manifest.csv"
    manifest.write_bytes(spoilt(manifest.read_text(), how))
    assert load_corpus(root).entries == entries


def test_absolute_paths_into_the_corpus_are_understood(make_folder, corpus_rows, tmp_path):
    root = make_folder(corpus_rows)
    entries = load_corpus(root).entries
    (tmp_path / "link").symlink_to(root)
    for begin in (root, tmp_path / "link"):
        rows = [row | {"path": f"{begin}/{row['path']}"} for row in corpus_rows]
        write_corpus(root, rows)
        assert load_corpus(begin).entries == entries


def test_names_that_look_otherwise_are_taken_as_they_are(tmp_path):
    names = ["#1.wav", "a\\b.wav", "a;b.wav"]
    for number, name in enumerate(names):
        soundfile.write(tmp_path / name, np.full(20 + number, 0.1), 16_000)
    rows = "".join(f"{name},{'noise' if number else 'speech'},train,x\n" for number, name in enumerate(names))
    (tmp_path / "manifest.csv").write_text(HEADER + rows)
    assert [entry.path for entry in load_corpus(tmp_path).entries] == names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"path kind split speaker_or_type\n", "separates its columns by ' '; expected commas, semicolons"),
        (b"path:kind:split:speaker_or_type\n", "separates its columns by ':'; expected commas, semicolons"),
        (b"path;kind;split\n", "lacks the columns speaker_or_type; add"),
        (b"path,path,kind,split,speaker_or_type\n", "has the column path twice"),
        (HEADER.encode() + b"a.wav,speech,train,ann\xe4\n", "line 2 holds the byte 0xe4, as in Latin-1 .*as UTF-8"),
        (HEADER.encode() + b'"a.wav,speech,train,x\nb.wav,noise,train,x\n', "line 2: a quotation mark is not closed"),
        (HEADER.encode() + b"C:\\x\\a.wav,speech,train,x\n", "is missing; .*relative to the folder of the manifest"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(tmp_path, content, words):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(BlshError, match=words):
        load_corpus(tmp_path)


def test_manifest_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(BlshError, match="not a CSV table in UTF-8"):
        load_corpus(tmp_path)


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_no_training_material_is_refused(make_folder, corpus_rows, kind):
    rows = [row for row in corpus_rows if (row["kind"], row["split"]) != (kind, "train")]
    with pytest.raises(BlshError, match=f"has no {kind} in split 'train'"):
        load_corpus(make_folder(rows))


def test_speaker_in_two_splits_is_refused(make_folder, corpus_rows):
    corpus_rows[-7]["speaker_or_type"] = "train0"
    assert corpus_rows[-7]["kind"] == "speech"
    with pytest.raises(BlshError, match=r"speaker 'train0' of .* is in splits train and test"):
        load_corpus(make_folder(corpus_rows))


def test_corpus_may_move(make_folder, corpus_rows, tmp_path):
    root = make_folder(corpus_rows)
    before = load_corpus(root).sha256
    shutil.move(root, tmp_path / "elsewhere")
    assert load_corpus(tmp_path / "elsewhere").sha256 == before
