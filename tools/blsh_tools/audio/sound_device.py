# SPDX-License-Identifier: Apache-2.0
"""The microphone and the loudspeaker of `blsh live`, by the optional package sounddevice (PortAudio)."""

import math
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from blsh_hil.live.ends import Captured, Samples
from blsh_trainer.errors import BlshError
from blsh_trainer.extras import lack_of
from blsh_trainer.signals.geometry import Geometry

BACKLOG_S: Final = 0.256
"""The most sound that waits for the board. A microphone does not wait: the oldest hops are dropped."""

SLACK_S: Final = 0.096
"""The most sound beyond `buffer_s` that waits for the loudspeaker. The oldest hops are dropped, for otherwise one stall
would delay all that follows.
"""

_POLL_S: Final = 0.001
_WITHOUT = "without a sound device, use files: --input IN.wav --output OUT.wav"


def sounddevice() -> Any:
    """Import and return the package. Raises BlshError that names the package to install."""
    try:
        import sounddevice as package  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise BlshError(f"{lack_of('sounddevice')}; {_WITHOUT}") from error
    except OSError as error:  # the library PortAudio itself is missing
        raise BlshError(f"{error}: install the Debian package libportaudio2; {_WITHOUT}") from error
    return package


class _Device(ABC):
    """A stream of sounddevice. It is opened at once, and runs while the `with` block does."""

    what: str

    def __init__(self, kind: str, device: str | None, geometry: Geometry) -> None:
        self._hop_s = geometry.hop_s
        package = sounddevice()
        try:
            self._stream = getattr(package, kind)(
                samplerate=geometry.rate_hz,
                blocksize=geometry.hop,
                channels=1,
                dtype="int16",
                latency="low",
                device=int(device) if device is not None and device.isdecimal() else device,
                callback=self._callback,
            )
        except (package.PortAudioError, ValueError) as error:  # ValueError: no device has that name
            raise BlshError(
                f"cannot open the {self.what} {device or '(the default one)'} at {geometry.rate_hz} Hz: {error}; "
                f"list them: {sys.executable} -m sounddevice; {_WITHOUT}"
            ) from error

    @abstractmethod
    def _callback(self, data: Any, frames: int, moments: Any, status: Any) -> None: ...

    def __enter__(self) -> Self:
        self._stream.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._stream.stop()
        self._stream.close()

    @property
    def latency_s(self) -> float:
        """The latency of the device and its driver, as PortAudio reports it."""
        return float(self._stream.latency)

    def _check(self) -> None:
        if not self._stream.active:
            raise BlshError(f"the {self.what} has stopped; is it still connected?")


class Microphone(_Device):
    """A Source of hops of `geometry` as they are spoken. device: its name or number; None: the system's default."""

    what = "microphone"

    def __init__(self, device: str | None, geometry: Geometry) -> None:
        self._most_captured = round(BACKLOG_S / geometry.hop_s)
        self._captured: deque[Captured] = deque()
        self._last = math.nan
        self.dropped = 0
        super().__init__("InputStream", device, geometry)

    def _callback(self, data: Any, frames: int, moments: Any, status: Any) -> None:
        ago = moments.currentTime - moments.inputBufferAdcTime if moments.inputBufferAdcTime else self._hop_s
        now = time.monotonic()  # a hop is complete when it is handed over, at the latest, whatever the driver says
        self._captured.append(Captured(np.array(data[:, 0]), min(now, now - ago + self._hop_s)))
        if len(self._captured) > self._most_captured:
            self._captured.popleft()
            self.dropped += 1

    def take(self, most: int) -> Sequence[Captured]:
        """Return at most `most` of the hops that were captured, the oldest first."""
        taken = [self._captured.popleft() for _ in range(min(most, len(self._captured)))]
        if taken:
            self._last = taken[-1].at
        return taken

    def due(self) -> float | None:
        """Return when the next hop is expected; a millisecond from now, if that moment has passed."""
        if self._captured:
            return -math.inf
        self._check()
        soon = time.monotonic() + _POLL_S
        return soon if math.isnan(self._last) else max(soon, self._last + self._hop_s)


class Speaker(_Device):
    """A Sink that plays hops of `geometry`, from `buffer_s` after the first has come, and silence where one is late.

    device: its name or number; None: the system's default.
    """

    what = "loudspeaker"

    def __init__(self, device: str | None, geometry: Geometry, buffer_s: float) -> None:
        self._buffer_s = buffer_s
        self._most_waiting = round(buffer_s / geometry.hop_s) + round(SLACK_S / geometry.hop_s)
        self._waiting: deque[tuple[int, Samples]] = deque()
        self._put = 0
        self._first: float | None = None
        self._running = False
        self._starved = 0  # hops of silence since the last hop
        self._played: dict[int, float] = {}
        self.late = 0
        self.silent = 0
        self.dropped = 0
        super().__init__("OutputStream", device, geometry)

    def put(self, samples: Samples, arrived: float) -> None:
        """Play the next hop, which came at the moment `arrived`."""
        self._check()
        if self._first is None:
            self._first = arrived
        self._waiting.append((self._put, samples))
        self._put += 1
        if len(self._waiting) > self._most_waiting:
            self._waiting.popleft()
            self.dropped += 1

    def played(self) -> Sequence[float]:
        """Return when the first sample of each hop left for the loudspeaker; NaN for hops that never did."""
        return [self._played.get(hop, math.nan) for hop in range(self._put)]

    def finish(self) -> None:
        """Wait until every hop is played."""
        deadline = time.monotonic() + self._buffer_s + (len(self._waiting) + 2) * self._hop_s + self.latency_s
        while self._waiting and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        time.sleep(self.latency_s)

    def _callback(self, data: Any, frames: int, moments: Any, status: Any) -> None:
        now = time.monotonic()
        if not self._running:
            self._running = self._first is not None and now - self._first >= self._buffer_s
        if self._running and self._waiting:
            hop, data[:, 0] = self._waiting.popleft()
            ahead = moments.outputBufferDacTime - moments.currentTime if moments.outputBufferDacTime else 0.0
            self._played[hop] = now + ahead
            self.late += self._starved > 0
            self.silent += self._starved
            self._starved = 0
        else:  # without a hop after it, the silence is the end and not a gap
            data.fill(0)
            self._starved += self._running
