# SPDX-License-Identifier: Apache-2.0
"""`blsh corpus`: make, check and fetch, as their users meet them."""

import hashlib
import io
import json
import re
import shlex
import signal
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from blsh_tools.commands.corpus import corpus_app
from blsh_trainer.corpora.fetch.catalogue import read_catalogue

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import TRAINING, write_manifest

COMMANDS = typer.main.get_command(corpus_app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_can_be_typed(blsh: Blsh, command: str) -> None:
    assert f"Example: blsh corpus {command}" in blsh.succeed("corpus", command, "--help").stdout
    program, group, name, *arguments = shlex.split(COMMANDS[command].epilog.split("`")[1])
    assert (program, group, name) == ("blsh", "corpus", command)
    COMMANDS[command].make_context(name, arguments)


# ---- check --------------------------------------------------------------------------------------------------


def test_a_good_corpus_passes(blsh: Blsh, corpus: Path) -> None:
    found = blsh.json("corpus", "check", corpus)
    assert (found["layout"], found["errors"], found["findings"]) == ("manifest", 0, [])
    parts = {(part["split"], part["kind"]): part for part in found["parts"]}
    assert (parts["train", "speech"]["files"], parts["train", "speech"]["labels"]) == (12, 6)
    table = blsh.succeed("corpus", "check", corpus).stdout
    assert "layout manifest" in table and "speech" in table


def test_errors_are_listed_and_make_exit_code_2(blsh: Blsh, bench: Bench) -> None:
    root = bench.own_corpus()
    file = root / "speech" / "train0" / "0.flac"
    soundfile.write(file, np.zeros(16_000), 16_000)
    soundfile.write(root / "noise" / "train0.flac", np.tile([[0.1], [-0.1]], (8_000, 2)), 16_000)
    outcome = blsh("corpus", "check", root, "--json")
    assert outcome.code == 2
    assert "error: silent: all samples are 0: speech/train0/0.flac" in outcome.stderr
    assert "remark: 2 channels: averaged: noise/train0.flac" in outcome.stderr
    assert json.loads(outcome.stdout)["errors"] == 1


def test_recordings_that_are_left_out_or_cut_short_are_told(blsh: Blsh, bench: Bench) -> None:
    root = bench.own_corpus()
    for name in ("speech/train9/0.m4a", "speech/train9/1.m4a", "noise/._0.m4a", "noise/w.WMA"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    outcome = blsh("corpus", "check", root)
    assert outcome.code == 0
    assert re.search(r"remark: recordings left out, \.m4a \(2\): .*: speech/train9/0.m4a, speech", outcome.stderr)
    assert re.search(r"remark: recordings left out, \.wma \(1\): convert .*: noise/w.WMA", outcome.stderr)
    told = blsh.succeed("train", root, "-o", "m.npz", *TRAINING, "--bits=2", "--steps=1").stderr
    assert "Left out: recordings of kinds that are not read, .m4a (2), .wma (1): speech/train9/0.m4a" in told
    cut = root / "speech" / "train0" / "0.flac"
    cut.write_bytes(cut.read_bytes()[:-3000])
    outcome = blsh("corpus", "check", root)
    assert outcome.code == 2 and "error: " in outcome.stderr and "0.flac" in outcome.stderr


def test_what_is_no_corpus_is_refused(blsh: Blsh) -> None:
    (blsh.cwd / "folder").mkdir()
    message = blsh.refuse("folder fits none of the layouts of a corpus", "corpus", "check", "folder")
    assert all(name in message for name in ("manifest:", "VoiceBank-DEMAND:", "TIMIT:", "folders:", "speakers:"))
    blsh.refuse("there is no folder of noises nowhere", "corpus", "check", "folder", "--noise", "nowhere")


def test_speech_and_noise_of_two_folders_train_and_evaluate(blsh: Blsh, corpus: Path) -> None:
    (blsh.cwd / "talk").symlink_to(corpus / "speech")
    (blsh.cwd / "noises").symlink_to(corpus / "noise")
    found = blsh.json("corpus", "check", "talk", "--noise", "noises")
    assert (found["layout"], found["errors"]) == ("speakers", 0)
    blsh.refuse(r"\(--noise DIR\) to go with folders of speakers", "train", "talk", "-o", "m.npz")
    made = blsh.json("train", "talk", "--noise", "noises", "-o", "m.npz", *TRAINING)
    assert made["card"]["corpus"] == {"name": "speech", "sha256": found["sha256"]}
    arguments = ("m.npz", "talk", "--noise", "noises", "--count", 1, "--snr", 0, "--metrics", "si_sdr_db", "--jobs", 1)
    blsh.succeed("evaluate", *arguments)


# ---- several corpora ----------------------------------------------------------------------------------------


def second_corpus(bench: Bench) -> Path:
    """Return a corpus with recordings and speakers of its own, and the corpus's own first recording."""
    root = bench.own_corpus()
    rng = np.random.default_rng(9)
    rows = [("speech/new/0.flac", "speech", "train", "new"), ("noise/new.flac", "noise", "train", "new")]
    for path, *_ in rows:
        (root / path).parent.mkdir(exist_ok=True)
        soundfile.write(root / path, 0.1 * rng.standard_normal(16_000), 16_000)
    rows.append(("speech/train0/0.flac", "speech", "train", "train0"))
    write_manifest(root, [dict(zip(("path", "kind", "split", "speaker_or_type"), row, strict=True)) for row in rows])
    return root


def test_two_corpora_are_checked_trained_on_and_evaluated_as_one(blsh: Blsh, bench: Bench, corpus: Path) -> None:
    other = second_corpus(bench)
    found = blsh.json("corpus", "check", corpus, other)
    parts = {(part["split"], part["kind"]): part for part in found["parts"]}
    assert (found["errors"], parts["train", "speech"]["files"], parts["train", "noise"]["labels"]) == (0, 12 + 2, 3)
    told = blsh.succeed("corpus", "check", corpus, other).stderr
    again = f"{corpus.name}/speech/train0/0.flac = recordings/speech/train0/0.flac"
    assert f"remark: the same recording in two corpora, split train: the first one counts: {again}" in told
    outcome = blsh.succeed("train", corpus, other, "-o", "m.npz", *TRAINING, "--json")
    assert "Left out: 1 recording that an earlier corpus has, too, in the same split, the first recordings/" in (
        outcome.stderr
    )
    blsh.refuse("of the corpus itself", "train", corpus, other, "-o", other / "speech" / "train0" / "0.flac")
    card = json.loads(outcome.stdout)["card"]
    assert card["corpus"]["name"] == f"{corpus.name} + recordings"
    assert [(each["name"], each["files"]) for each in card["corpora"]] == [(corpus.name, 14), ("recordings", 2)]
    arguments = ("--count", 2, "--snr", 0, "--metrics", "si_sdr_db", "--jobs", 1)
    scored = blsh.json("evaluate", "m.npz", corpus, other, *arguments, "--csv", "scores.csv")
    assert scored["mixtures"]["corpus"] == f"{corpus.name} + recordings"
    assert f"{corpus.name}/speech/test" in (blsh.cwd / "scores.csv").read_text()


def test_corpora_that_share_what_they_must_not_are_refused(blsh: Blsh, bench: Bench, corpus: Path) -> None:
    other = second_corpus(bench)
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace("train,train0", "test,train0"))
    for command in (("train", corpus, other, "-o", "m.npz"), ("corpus", "check", corpus, other)):
        blsh.refuse("speaker 'train0' is in split train of .* and in split test of .*rename one", *command)
    (other / "manifest.csv").write_text(manifest.replace("train,train0", "test,stranger"))
    blsh.refuse(
        r"are the same recording; keep each recording in one split: take", "train", corpus, other, "-o", "m.npz"
    )
    outcome = blsh("corpus", "check", corpus, other)
    assert outcome.code == 2 and "error: the same recording in the splits train and test: " in outcome.stderr
    blsh.refuse("are the same corpus; give each corpus once", "train", corpus, corpus, "-o", "m.npz")
    blsh.refuse("--noise goes with one corpus", "train", corpus, other, "--noise", corpus / "noise", "-o", "m.npz")
    blsh.refuse("of the corpus itself", "train", corpus, second_only(other), "-o", other / "manifest.csv")
    assert not (blsh.cwd / "m.npz").exists()


def second_only(root: Path) -> Path:
    """Return the corpus in `root`, whose manifest now lists nothing that another corpus has."""
    lines = [line for line in (root / "manifest.csv").read_text().splitlines() if "train0" not in line]
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


# ---- fetch --------------------------------------------------------------------------------------------------


def packed() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        samples = np.random.default_rng(0).bytes(3_000_000)
        info = tarfile.TarInfo("set/speaker/a.raw")
        info.size = len(samples)
        archive.addfile(info, io.BytesIO(samples))
    return content.getvalue()


ARCHIVE = packed()


class Handler(BaseHTTPRequestHandler):
    """Serves ARCHIVE: at /slow.tar.gz half of it until `go_on` is set."""

    go_on = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ARCHIVE)))
        self.end_headers()
        half = len(ARCHIVE) // 2 if self.path == "/slow.tar.gz" else len(ARCHIVE)
        self.wfile.write(ARCHIVE[:half])
        self.wfile.flush()
        if half < len(ARCHIVE):
            self.go_on.wait(60)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    Handler.go_on.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()
    Handler.go_on.clear()


def test_without_a_name_the_catalogue_is_listed(blsh: Blsh) -> None:
    assert [offer["name"] for offer in blsh.json("corpus", "fetch")] == list(read_catalogue())
    assert "voicebank-demand" in blsh.succeed("corpus", "fetch").stdout


def test_an_archive_is_fetched_by_url_and_digest(blsh: Blsh, server: str) -> None:
    digest = hashlib.sha256(ARCHIVE).hexdigest()
    got = blsh.json("corpus", "fetch", f"{server}/set.tar.gz", "--sha256", digest, "-o", "here")
    assert [(item["folder"], item["sha256"], item["files"]) for item in got["archives"]] == [("set", digest, 1)]
    assert (blsh.cwd / "here" / "set" / "speaker" / "a.raw").stat().st_size == 3_000_000
    assert digest in (blsh.cwd / "here" / "fetched.json").read_text()


def test_bad_requests_are_refused(blsh: Blsh, server: str) -> None:
    blsh.refuse("no corpus 'vctk' in the catalogue; choose one of", "corpus", "fetch", "vctk")
    blsh.refuse("give the publisher's with --sha256", "corpus", "fetch", f"{server}/set.tar.gz")


def test_a_wrong_digest_leaves_nothing_to_be_taken_for_the_corpus(blsh: Blsh, server: str) -> None:
    outcome = blsh("corpus", "fetch", f"{server}/set.tar.gz", "--sha256", "0" * 64, "-o", "here")
    assert outcome.code == 2 and "expected 000" in outcome.stderr and "Traceback" not in outcome.stderr
    assert [path for path in (blsh.cwd / "here").rglob("*") if path.is_file()] == []


def test_ctrl_c_says_that_the_download_can_go_on(blsh: Blsh, server: str) -> None:
    arguments = ("corpus", "fetch", f"{server}/slow.tar.gz", "--sha256", hashlib.sha256(ARCHIVE).hexdigest())
    outcome = blsh.interrupt("fetch slow: ", *arguments, "-o", "here")
    assert outcome.code in (130, -signal.SIGINT)
    assert "kept in here/.fetching; the same command goes on from there" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert (blsh.cwd / "here" / ".fetching" / "slow.part").stat().st_size > 0
