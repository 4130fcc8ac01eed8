# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium for tests: open a page, run JavaScript in it, choose files, take pictures, collect complaints.

It is spoken to over two pipes (--remote-debugging-pipe): messages in JSON, a zero behind each.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser")
PROGRAM = next((path for name in NAMES if (path := shutil.which(name))), None)
PATIENCE_S = 180.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


class Chromium:
    """A browser with one page. complaints: errors of scripts, and what was written to the console as one."""

    def __init__(self, profile: Path, *options: str) -> None:
        assert PROGRAM is not None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.bindings: dict[str, Callable[[str], None]] = {}
        self._number = 0
        self._partial = b""
        their_in, self._to = _high_pipe()
        self._from, their_out = _high_pipe()

        def wire() -> None:
            os.dup2(their_in, 3)
            os.dup2(their_out, 4)

        self._process = subprocess.Popen(
            [PROGRAM, *_OPTIONS, *options, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=wire,
            pass_fds=(3, 4),
        )
        os.close(their_in)
        os.close(their_out)
        targets = self._browser("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self._browser("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(Exception):
            self._browser("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, address: str, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open a page in a window of this size, and wait until its scripts have run."""
        self.size(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def size(self, width: int, height: int) -> None:
        """Give the window another size, in CSS pixels."""
        narrow = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=narrow)

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or what its promise is fulfilled with."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_for(self, expression: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + patience_s
        while not self.run(expression):
            assert time.monotonic() < deadline, f"still not true after {patience_s} s: {expression}"
            time.sleep(0.02)

    def choose_file(self, element_id: str, file: Path) -> None:
        """Choose `file` in the file input of this id, as a reader would."""
        found = self.call("Runtime.evaluate", expression=f"document.getElementById('{element_id}')")
        self.call("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])

    def download(self, link_id: str, folder: Path) -> Path:
        """Follow the link of this id, which saves a file; return that file, in `folder`."""
        folder.mkdir()
        self._browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.run(f"document.getElementById('{link_id}').click()")
        deadline = time.monotonic() + PATIENCE_S
        while not (found := [each for each in folder.iterdir() if each.suffix != ".crdownload"]):
            assert time.monotonic() < deadline, f"nothing was saved within {PATIENCE_S} s"
            self.run("0")
            time.sleep(0.02)
        return found[0]

    def picture(self, file: Path) -> None:
        """Write a PNG of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def bind(self, name: str, take: Callable[[str], None]) -> None:
        """Give the page a function `name` whose text argument is passed to `take`."""
        self.bindings[name] = take
        self.call("Runtime.addBinding", name=name)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol for the page."""
        return self._ask(method, parameters, {"sessionId": self._session})

    def _browser(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._ask(method, parameters, {})

    def _ask(self, method: str, parameters: dict[str, Any], session: dict[str, str]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = json.dumps({"id": number, "method": method, "params": parameters, **session})
        data = message.encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._heed(answer)

    def _heed(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.bindingCalled":
                self.bindings[told["name"]](told["payload"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._partial:
            piece = os.read(self._from, 1 << 16)
            assert piece, "the browser has ended"
            self._partial += piece
        message, self._partial = self._partial.split(b"\0", 1)
        told: dict[str, Any] = json.loads(message)
        return told


def _high_pipe() -> tuple[int, int]:
    """Return a pipe whose ends are neither 3 nor 4, which are the browser's."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
