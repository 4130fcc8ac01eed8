# SPDX-License-Identifier: Apache-2.0
"""Serve the page of `blsh tune` to this machine alone, and take the values that are chosen on it.

Every address begins with a random word, so that no other page and no other user of this machine can reach it.
"""

import json
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from blsh_hil.report.html import html_environment
from blsh_tools.playground.build_page import style_sheet
from blsh_tools.project.keys import KEYS
from blsh_tools.project.values import UnexpectedError
from blsh_tools.tuning.trial import Trial
from blsh_trainer.errors import BlshError
from blsh_trainer.model.tuning import Tuning
from blsh_trainer.own_files import read_own

_PAGE: Final = Path(__file__).with_name("page")
_POLICY: Final = "default-src 'none'; script-src 'nonce-{}'; style-src 'nonce-{}'; connect-src 'self'; img-src data:"
_MOST_BYTES: Final = 4096
_KINDS: Final = KEYS["tuning"]


def tuning_of(given: dict[str, Any]) -> Tuning:
    """Return the tuning that values of a page or of a command line name. BlshError for one that cannot be used."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _KINDS:
            raise BlshError(f"{name} is no value of a tuning; there are {', '.join(_KINDS)}")
        try:
            read[name] = _KINDS[name].read(value)
        except UnexpectedError as error:
            raise BlshError(f"{name} {value!r}; expected {_KINDS[name].expected}") from error
    return Tuning(**read)


class TuneServer(ThreadingHTTPServer):
    """A server of the page for `trial`. start: the tuning to begin with. write: takes the chosen one; returns a remark.

    BlshError where the port is taken.
    """

    daemon_threads = True

    def __init__(self, trial: Trial, start: Tuning, write: Callable[[Tuning], str], port: int) -> None:
        self.trial, self.start, self.write = trial, start, write
        self.word = secrets.token_urlsafe(16)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise BlshError(f"cannot serve the page at port {port}: {error.strerror or error}; give another") from error

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.word}/"

    def close_soon(self) -> None:
        """End `serve_forever` after the answer that is on its way."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def page(self, nonce: str) -> bytes:
        """Return the page; `nonce` lets its own style and script work, and no others."""
        environment = html_environment("blsh_tools", "tuning/page")
        data = {**self.trial.described(), "start": self.trial.effective(self.start), "off": "off"}
        return (
            environment.get_template("index.html.j2")
            .render(
                nonce=nonce,
                style=style_sheet(_PAGE / "style.css"),
                script=read_own(_PAGE / "tune.js").decode(),
                data=json.dumps(data).replace("<", "\\u003c"),
                trial=self.trial,
                version=version("blsh-mcu"),
            )
            .encode()
        )


class _Handler(BaseHTTPRequestHandler):
    server: TuneServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = self._asked()
        try:
            if path == "":
                nonce = secrets.token_urlsafe(16)
                self._answer(self.server.page(nonce), "text/html; charset=utf-8", _POLICY.format(nonce, nonce))
            elif path == "noisy.wav":
                self._answer(self.server.trial.noisy(), "audio/wav")
            elif path == "denoised.wav":
                given = {name: _number(values[0]) for name, values in parse_qs(query).items()}
                self._answer(self.server.trial.denoised(tuning_of(given)), "audio/wav")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)
        except BlshError as error:
            self._say({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def do_POST(self) -> None:
        path, _ = self._asked()
        length = self.headers.get("Content-Length", "")
        if path not in ("write", "done") or not length.isdigit() or int(length) > _MOST_BYTES:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = self.rfile.read(int(length))
        try:
            if path == "write":
                given = json.loads(content)
                if not isinstance(given, dict):
                    raise BlshError("expected the values of a tuning")
                self._say({"told": self.server.write(tuning_of(given))})
            else:
                self._say({"told": "closed"})
                self.server.close_soon()
        except (BlshError, ValueError) as error:
            self._say({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the page itself says what happens."""

    def _asked(self) -> tuple[str | None, str]:
        """Return what is asked for behind the random word, None without it, and the query."""
        asked = urlsplit(self.path)
        place = f"/{self.server.word}/"
        head, name = asked.path[: len(place)], asked.path[len(place) :]
        return name if secrets.compare_digest(head.encode(), place.encode()) else None, asked.query

    def _say(self, result: dict[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._answer(json.dumps(result).encode(), "application/json", status=status)

    def _answer(self, content: bytes, kind: str, policy: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(content)


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
