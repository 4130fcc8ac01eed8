# SPDX-License-Identifier: Apache-2.0
"""Download over HTTP across cut connections: keep what has arrived, and ask for the rest only."""

import errno
import http.client
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request

from blsh_trainer.corpora.fetch.opening import opener
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BLOCK = 1 << 18
_MIB = 1 << 20
_AGENT = "blsh-mcu"
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_PAUSE_S = 60.0
_REACH = (
    "check that this machine reaches {host} (network, firewall, and $https_proxy where a proxy is needed), then give "
    "the same command again"
)


@dataclass(frozen=True)
class Patience:
    """The waiting times for a server: `timeout_s` for an answer, and `attempts` in a row that bring no byte.

    The first pause between attempts is `pause_s`; each pause is twice as long as the one before. `first_attempts` is
    for a server that has never answered. `tell` takes a line when a server is called, and one before each pause.
    """

    timeout_s: float = 30.0
    attempts: int = 6
    pause_s: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    first_attempts: int = 3
    tell: Callable[[str], None] = lambda line: None


class _CutError(Exception):
    """The connection failed in a way that may pass; `pause_s` are the seconds that the server asks to wait."""

    def __init__(self, what: str, pause_s: float = 0.0) -> None:
        super().__init__(what)
        self.pause_s = pause_s


class _UnreachableError(_CutError):
    """There is no connection to the server: no network, no such host, or nobody listens."""


@dataclass(frozen=True)
class _State:
    """The file of which a partial file is a part: its URL, its `total` bytes if known, and the server's validator."""

    url: str
    total: int | None
    validator: str


def download(url: str, part: Path, progress: Progress, what: str, patience: Patience) -> None:
    """Fetch `url` into the file `part`, from where it ends if an earlier download was broken off.

    It starts over where the file on the server has changed since, or the server ignores ranges. Failures that may pass
    are tried again, after growing pauses. `progress` counts MiB. Whatever happens, Ctrl-C included, `part` and
    `part`.json keep what has arrived. BlshError when the server refuses or stays silent, or the disk is full.
    """
    host = urlsplit(url).netloc
    patience.tell(f"calling {host} ({what})")
    failures, answered = 0, False
    while True:
        before = _size(part)
        try:
            _attempt(url, part, progress, what, patience.timeout_s)
            return
        except _CutError as error:
            failures = 1 if _size(part) > before else failures + 1
            answered = answered or not isinstance(error, _UnreachableError)
            most = patience.attempts if answered else min(patience.attempts, patience.first_attempts)
            if failures >= most:
                advice = "try again later" if answered else _REACH.format(host=host)
                raise BlshError(
                    f"{url}: {error}, {failures} times on end; {_size(part):,} bytes are kept, {advice}"
                ) from error
            pause = min(max(error.pause_s, patience.pause_s * 2 ** (failures - 1)), _LONGEST_PAUSE_S)
            patience.tell(f"{host}: {error}; attempt {failures + 1} of {most} in {pause:g} s")
            patience.sleep(pause)


def forget(part: Path) -> None:
    """Remove a partial file and its description."""
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, progress: Progress, what: str, timeout_s: float) -> None:
    state = _read_state(part, url)
    have = _size(part) if state else 0
    if state and state.total is not None and have == state.total:
        return
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if state and state.validator:
            headers["If-Range"] = state.validator
    try:
        with opener().open(Request(url, headers=headers), timeout=timeout_s) as answer:
            _receive(answer, url, part, have, state, progress, what)
    except HTTPError as error:
        with error:
            _judge(error, url, part, have)
    except URLError as error:  # it wraps what fails before the request is sent
        raise _UnreachableError(f"the connection failed ({error.reason or type(error).__name__})") from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _CutError(f"the connection failed ({error or type(error).__name__})") from error


def _read(answer: Any) -> bytes:
    """Return the next bytes of an answer. Any system error here is an error of the connection."""
    try:
        return bytes(answer.read(_BLOCK))
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(f"the connection broke ({error or type(error).__name__})") from error


def _receive(answer: Any, url: str, part: Path, have: int, state: _State | None, progress: Progress, what: str) -> None:
    """Append the answer to `part`, or start it over when the answer is not its continuation."""
    length = int(answer.headers["Content-Length"]) if answer.headers["Content-Length"] else None
    start = 0
    if answer.status == 206:
        start, total = _content_range(answer.headers["Content-Range"])
        if start != have or (state and state.total not in (None, total)):
            forget(part)
            raise _CutError("the file on the server has changed")
    else:
        total = length
    validator = answer.headers["ETag"] or ""
    if not validator or validator.startswith("W/"):  # a weak validator does not vouch for the bytes
        validator = answer.headers["Last-Modified"] or ""
    _check_room(part, None if total is None else total - start)
    try:
        _state_file(part).write_text(json.dumps(asdict(_State(url, total, validator))), encoding="utf-8")
        with part.open("r+b" if start else "wb", buffering=0) as stream:
            stream.seek(start)
            done = start
            while block := _read(answer):
                rest = memoryview(block)
                while rest:
                    rest = rest[stream.write(rest) :]
                done += len(block)
                steps = max(1, (total if total is not None else done + _MIB) // _MIB)
                progress(what, steps if done == total else min(done // _MIB, steps - 1), steps)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise BlshError(
            f"cannot write {part}: {error.strerror}; free some space and start again, what has arrived is kept"
        ) from error
    if total is not None and done < total:
        raise _CutError(f"the connection was cut after {done:,} of {total:,} bytes")


def _judge(error: HTTPError, url: str, part: Path, have: int) -> None:
    """Raise the error that an answer with the status 4xx or 5xx means."""
    if error.code == 416 and have:  # the file is shorter than the part here, so it is another file
        forget(part)
        raise _CutError("the file on the server has changed") from error
    if error.code in _PASSING:
        asked = error.headers["Retry-After"] or ""
        raise _CutError(f"HTTP {error.code} {error.reason}", float(asked) if asked.isdigit() else 0.0) from error
    raise BlshError(f"{url}: HTTP {error.code} {error.reason}; check the address") from error


def _content_range(text: str | None) -> tuple[int, int | None]:
    """Return the first byte and the total of `bytes 5-9/10`; the first is -1 when it cannot be read."""
    try:
        span, total = (text or "").removeprefix("bytes ").split("/")
        return int(span.split("-")[0]), None if total == "*" else int(total)
    except ValueError:
        return -1, None


def _check_room(part: Path, needed: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed is not None and needed > free:
        raise BlshError(
            f"{part} needs {needed:,} bytes more, {free:,} are free; free some space or choose another disk"
        )


def _state_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_state(part: Path, url: str) -> _State | None:
    try:
        state = _State(**json.loads(_state_file(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.url == url and part.is_file() else None


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
