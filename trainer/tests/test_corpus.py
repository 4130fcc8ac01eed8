import shutil

import pytest

from blsh_trainer.corpus import Entry, load_corpus
from blsh_trainer.errors import BlshError


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
