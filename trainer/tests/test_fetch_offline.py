# SPDX-License-Identifier: Apache-2.0
"""Fetching without a network: it says at once what is tried, gives up soon, and names the host and the remedy."""

import socket
import threading
import time
from pathlib import Path
from urllib.error import URLError

import pytest

from blsh_trainer.corpora.fetch import opening
from blsh_trainer.corpora.fetch.catalogue import Archive, Offer
from blsh_trainer.corpora.fetch.download import Patience
from blsh_trainer.corpora.fetch.fetch_corpus import fetch
from blsh_trainer.corpora.fetch.opening import opener
from blsh_trainer.errors import BlshError


def test_what_is_tried_is_told_and_given_up_soon(tmp_path: Path) -> None:
    wanted = Offer("c", "", "", "", (Archive("http://127.0.0.1:1/c.tar", "c", sha256="0" * 64),))
    lines: list[str] = []
    pauses: list[float] = []
    with pytest.raises(BlshError) as refused:
        fetch(wanted, tmp_path, lambda *_: None, Patience(sleep=pauses.append, tell=lines.append))
    assert lines[0] == "calling 127.0.0.1:1 (fetch c)"
    assert [line.partition("; ")[2] for line in lines[1:]] == ["attempt 2 of 3 in 1 s", "attempt 3 of 3 in 2 s"]
    assert all("refused" in line for line in lines[1:])
    assert pauses == [1.0, 2.0]
    assert "check that this machine reaches 127.0.0.1:1 (network, firewall, and $https_proxy" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_swallows_calls_is_given_up_before_an_answer_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than the queue of a server that never accepts
        try:
            for line in waiting:
                line.setblocking(False)
                line.connect_ex(address)
            began = time.monotonic()
            with pytest.raises(URLError, match="timed out"):
                opener().open(f"http://127.0.0.1:{address[1]}/", timeout=60)
            assert time.monotonic() - began < 10
        finally:
            for line in waiting:
                line.close()


def test_an_answer_may_take_longer_than_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CONNECT_S", 0.2)

    def answer_late() -> None:
        with server.accept()[0] as line:
            line.recv(4096)
            time.sleep(0.5)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_late)
        thread.start()
        with opener().open(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=60) as answer:
            assert answer.read() == b"late"
        thread.join()
