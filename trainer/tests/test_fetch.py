# SPDX-License-Identifier: Apache-2.0
"""Fetching against a server on this machine that behaves, and one that does not."""

import hashlib
import io
import stat
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from blsh_trainer.corpora.fetch import download as downloading
from blsh_trainer.corpora.fetch.catalogue import ENDINGS, Archive, Offer, find_offer, read_catalogue
from blsh_trainer.corpora.fetch.download import Patience
from blsh_trainer.corpora.fetch.fetch_corpus import RECORD, SCRATCH, fetch
from blsh_trainer.errors import BlshError


@dataclass
class Site:
    """A server's files, its misbehaviour, and the requests to it: (path, Range) and bytes sent."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    refusals: list[int] = field(default_factory=list)  # status codes of the next answers
    ranges: bool = True
    etag: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.asked.append((self.path, self.headers["Range"]))
        if site.refusals:
            self.send_error(site.refusals.pop(0))
        elif self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
        elif self.path not in site.files:
            self.send_error(404)
        else:
            self._send(site, site.files[self.path])

    def _send(self, site: Site, content: bytes) -> None:
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        wanted, condition = self.headers["Range"], self.headers["If-Range"]
        if site.ranges and wanted and (condition is None or condition == tag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if site.etag:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if site.cuts:
            body = body[: site.cuts.pop(0)]
        site.sent += len(body)  # before the last byte lets the client go on
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site():
    """Yield a server on a port of this machine."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def tar(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return packed.getvalue()


def zipped(members: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            if name in links:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return packed.getvalue()


CONTENT = {"corpus/a/1.wav": np.random.default_rng(0).bytes(900_000), "corpus/b.txt": b"text"}
PATIENCE = Patience(timeout_s=10.0, attempts=3, pause_s=0.0, sleep=lambda seconds: None)


def offer(site: Site, content: bytes, path: str = "/corpus.tar.gz", sha256: str | None = None, **changes) -> Offer:
    site.files[path] = content
    digest = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    archive = Archive(**{"url": site.url + path, "folder": "corpus", "sha256": digest} | changes)
    return Offer("corpus", "A corpus", "own", site.url, (archive,))


def get(wanted: Offer, folder: Path):
    return fetch(wanted, folder, lambda what, done, total: None, PATIENCE)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nothing_but_scratch(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {SCRATCH}


# ---- downloads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pack", "path"), [(tar, "/corpus.tar.gz"), (zipped, "/corpus.zip?sequence=1")])
def test_an_archive_is_fetched_verified_and_unpacked(site, tmp_path, pack, path):
    content = pack(CONTENT)
    wanted = offer(site, content, path)
    told = []
    (got,) = fetch(wanted, tmp_path, lambda *call: told.append(call), PATIENCE)
    assert files(tmp_path / "corpus") == {"a/1.wav": CONTENT["corpus/a/1.wav"], "b.txt": b"text"}
    assert (got.sha256, got.bytes, got.files) == (hashlib.sha256(content).hexdigest(), len(content), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", RECORD}
    for stage in ("fetch corpus", "verify corpus", "unpack corpus"):
        assert [done == total for what, done, total in told if what == stage][-1]
    assert get(wanted, tmp_path) == [got]
    assert len(site.asked) == 1


def test_redirects_are_followed(site, tmp_path):
    wanted = offer(site, tar(CONTENT), url=site.url + "/old")
    site.redirects["/old"] = "/corpus.tar.gz"
    get(wanted, tmp_path)
    assert [path for path, _ in site.asked] == ["/old", "/corpus.tar.gz"]


def test_a_missing_file_is_refused_at_once(site, tmp_path):
    with pytest.raises(BlshError, match=r"nothing\.tar: HTTP 404 .*check the address"):
        get(offer(site, b"", url=site.url + "/nothing.tar"), tmp_path)
    assert len(site.asked) == 1 and nothing_but_scratch(tmp_path)


def test_a_cut_connection_is_taken_up_where_it_broke(site, tmp_path):
    content = tar(CONTENT)
    wanted = offer(site, content)
    site.cuts = [300_000, 200_000]
    get(wanted, tmp_path)
    assert [wanted for _, wanted in site.asked] == [None, "bytes=300000-", "bytes=500000-"]
    assert site.sent == len(content)  # no byte came twice
    assert files(tmp_path / "corpus")["a/1.wav"] == CONTENT["corpus/a/1.wav"]


def test_a_later_run_takes_up_what_an_earlier_one_left(site, tmp_path):
    content = tar(CONTENT)
    wanted = offer(site, content)
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(BlshError, match=r"cut after 300,000 of .* 3 times on end; 300,000 bytes are kept, try again"):
        get(wanted, tmp_path)
    site.cuts = []
    get(wanted, tmp_path)
    assert site.asked[-1][1] == "bytes=300000-" and site.sent == len(content)


def test_ctrl_c_keeps_what_has_arrived(site, tmp_path):
    content = tar(CONTENT)
    wanted = offer(site, content)

    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wanted, tmp_path, interrupt, PATIENCE)
    kept = (tmp_path / SCRATCH / "corpus.part").stat().st_size
    assert 0 < kept < len(content)
    get(wanted, tmp_path)
    assert site.asked[-1][1] == f"bytes={kept}-"


def test_a_file_that_changed_meanwhile_starts_over(site, tmp_path):
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(BlshError):
        get(offer(site, tar(CONTENT)), tmp_path)
    new = tar({"corpus/new.wav": b"new" * 200_000})
    site.cuts = []
    get(offer(site, new), tmp_path)
    assert site.asked[-1][1] == "bytes=300000-"  # with If-Range, so that the server sends all of it
    assert set(files(tmp_path / "corpus")) == {"new.wav"}


@pytest.mark.parametrize("larger", [True, False])
def test_a_changed_file_is_noticed_without_a_validator(site, tmp_path, larger):
    site.etag = False
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(BlshError):
        get(offer(site, tar(CONTENT)), tmp_path)
    site.cuts = []
    new = tar({"corpus/new.wav": np.random.default_rng(1).bytes(2_000_000 if larger else 1000)})
    get(offer(site, new), tmp_path)
    assert set(files(tmp_path / "corpus")) == {"new.wav"}


def test_a_server_that_ignores_ranges_starts_over(site, tmp_path):
    content = tar(CONTENT)
    site.ranges = False
    site.cuts = [300_000]
    get(offer(site, content), tmp_path)
    assert site.asked[1][1] == "bytes=300000-"
    assert site.sent == 300_000 + len(content)
    assert files(tmp_path / "corpus")["b.txt"] == b"text"


def test_passing_refusals_are_tried_again_and_lasting_ones_reported(site, tmp_path):
    site.refusals = [503, 429]
    get(offer(site, tar(CONTENT)), tmp_path)
    site.refusals = [503] * 9
    with pytest.raises(BlshError, match=r"HTTP 503 .*3 times on end"):
        get(offer(site, tar(CONTENT)), tmp_path / "other")


def test_a_server_that_is_not_there_is_reported(tmp_path):
    wanted = Offer("c", "", "", "", (Archive("http://127.0.0.1:1/c.tar", "c", sha256="0" * 64),))
    with pytest.raises(BlshError, match=r"the connection failed \(.*refused.*3 times on end"):
        get(wanted, tmp_path)


def test_pauses_grow(site, tmp_path):
    pauses: list[float] = []
    site.refusals = [503] * 4
    fetch(offer(site, tar(CONTENT)), tmp_path, lambda *_: None, Patience(10.0, 6, 1.0, pauses.append))
    assert pauses == [1.0, 2.0, 4.0, 8.0]


# ---- what arrives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", [{"sha256": "0" * 64}, {"sha256": "", "md5": "0" * 32}])
def test_a_wrong_digest_drops_the_file(site, tmp_path, digest):
    name = "SHA256" if digest["sha256"] else "MD5"
    with pytest.raises(BlshError, match=rf"has {name} [0-9a-f]+, expected 0+; the file was dropped"):
        get(offer(site, tar(CONTENT), **digest), tmp_path)
    assert nothing_but_scratch(tmp_path) and files(tmp_path) == {}


def test_an_md5_is_enough_once_and_the_record_holds_from_then_on(site, tmp_path):
    content = tar(CONTENT)
    wanted = offer(site, content, sha256="", md5=hashlib.md5(content).hexdigest())
    (got,) = get(wanted, tmp_path)
    assert got.sha256 == hashlib.sha256(content).hexdigest()
    (tmp_path / "corpus").rename(tmp_path / "away")
    record = tmp_path / RECORD
    record.write_text(record.read_text().replace(got.sha256, "0" * 64))
    with pytest.raises(BlshError, match=f"has SHA256 {got.sha256}, expected 0"):
        get(wanted, tmp_path)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "c:\\evil.txt"])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_names_that_leave_the_folder_are_refused(site, tmp_path, pack, name):
    with pytest.raises(BlshError, match="which leaves the folder; nothing of it was unpacked"):
        get(offer(site, pack({"corpus/good.wav": b"good", name: b"evil"})), tmp_path / "in" / "deep")
    assert not list(tmp_path.rglob("evil*")) and not list(tmp_path.rglob("*.wav"))


def test_links_and_clutter_are_left_out(site, tmp_path):
    get(offer(site, tar({"corpus/a.wav": b"a"}, {"corpus/link": "/etc/passwd", "corpus/up": ".."})), tmp_path / "t")
    members = {"corpus/a.wav": b"a", "corpus/link": b"/etc/passwd", "__MACOSX/._a.wav": b"", "corpus/.DS_Store": b""}
    get(offer(site, zipped(members, ("corpus/link",))), tmp_path / "z")
    for folder in ("t", "z"):
        assert files(tmp_path / folder / "corpus") == {"a.wav": b"a"}


def test_only_the_part_that_is_wanted_is_kept(site, tmp_path):
    content = tar({"Libri/dev/1/a.wav": b"a", "Libri/README": b"-"})
    get(offer(site, content, inside="Libri/dev"), tmp_path)
    assert files(tmp_path / "corpus") == {"1/a.wav": b"a"}
    with pytest.raises(BlshError, match="holds no files in Libri/test"):
        get(offer(site, content, inside="Libri/test"), tmp_path / "other")


@pytest.mark.parametrize(
    "content",
    [b"no archive at all" * 100, tar(CONTENT)[:100_000], zipped(CONTENT)[:-9], b""],
    ids=["text", "half a tar", "half a zip", "nothing"],
)
def test_what_is_no_archive_is_refused(site, tmp_path, content):
    with pytest.raises(BlshError, match=r"broken archive|holds no files"):
        get(offer(site, content), tmp_path)
    assert not (tmp_path / "corpus").exists()


def test_a_folder_that_is_not_ours_is_left_alone(site, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.txt").write_text("mine")
    with pytest.raises(BlshError, match=rf"corpus exists and {RECORD} does not list it"):
        get(offer(site, tar(CONTENT)), tmp_path)
    assert files(tmp_path / "corpus") == {"mine.txt": b"mine"} and site.asked == []


def test_a_full_disk_keeps_what_has_arrived(site, tmp_path, small_disk):
    content = tar(CONTENT)
    wanted = offer(site, content)
    with small_disk(300_000), pytest.raises(BlshError, match=r"free some space and start again, what has arrived"):
        get(wanted, tmp_path)
    assert (tmp_path / SCRATCH / "corpus.part").stat().st_size == 300_000
    get(wanted, tmp_path)
    assert site.asked[-1][1] == "bytes=300000-"


def test_a_disk_that_fills_while_unpacking_keeps_the_archive(site, tmp_path, small_disk):
    content = tar({"corpus/a.wav": bytes(900_000)})  # packs to almost nothing
    wanted = offer(site, content)
    with small_disk(300_000), pytest.raises(BlshError, match=r"cannot unpack .*the archive is kept"):
        get(wanted, tmp_path)
    assert not (tmp_path / "corpus").exists()
    get(wanted, tmp_path)
    assert len(site.asked) == 1 and files(tmp_path / "corpus") == {"a.wav": bytes(900_000)}


def test_too_little_room_is_told_before_the_download(site, tmp_path, monkeypatch):
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(BlshError, match=r"needs [\d,]+ bytes more, 1,000 are free"):
        get(offer(site, tar(CONTENT)), tmp_path)


def test_a_folder_that_cannot_be_made_is_reported(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BlshError, match=r"cannot write .*file/in: .*choose a writable folder"):
        get(offer(site, tar(CONTENT)), tmp_path / "file" / "in")


# ---- the catalogue ------------------------------------------------------------------------------------------


def test_every_archive_of_the_catalogue_can_be_verified():
    for item in read_catalogue().values():
        assert item.archives and item.licence and item.page.startswith("https://")
        for archive in item.archives:
            assert archive.url.startswith("https://") and archive.url.split("?")[0].endswith(ENDINGS)
            assert len(archive.sha256) == 64 or (not archive.sha256 and len(archive.md5) == 32)
            bytes.fromhex(archive.sha256 + archive.md5)
        assert len({archive.folder for archive in item.archives}) == len(item.archives)


def test_a_url_is_an_offer_of_its_own():
    wanted = find_offer("https://example.org/data/my%20set.tar.gz?x=1", "AB" * 32)
    assert [(a.folder, a.sha256) for a in wanted.archives] == [("my set", "ab" * 32)]


@pytest.mark.parametrize(
    ("source", "sha256", "words"),
    [
        ("timit", None, "no corpus 'timit' in the catalogue; choose one of mini-librispeech"),
        ("musan", "0" * 64, "--sha256 goes with a URL"),
        ("file:///etc/passwd", "0" * 64, "not a URL that can be fetched"),
        ("https://example.org/a.zip", None, "give the publisher's with --sha256"),
        ("https://example.org/a.zip", "123", "--sha256 '123' is not a SHA-256"),
        ("https://example.org/a.exe", "0" * 64, "names no archive; its path must end in one of .tar.gz"),
        ("https://example.org/..zip", "0" * 64, "names no archive"),
    ],
)
def test_what_cannot_be_fetched_is_refused(source, sha256, words):
    with pytest.raises(BlshError, match=words):
        find_offer(source, sha256)
