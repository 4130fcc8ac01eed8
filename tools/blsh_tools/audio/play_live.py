# SPDX-License-Identifier: Apache-2.0
"""Play sound through a board in real time, from and to files and sound devices, and measure its latency."""

import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Self

from blsh_firmware.build.images import reach
from blsh_hil.boards.session import connect
from blsh_hil.link.port import is_line
from blsh_hil.link.retry import Retries
from blsh_hil.live.ends import FileSink, LimitedSource, PacedSource, Sink, Source
from blsh_hil.live.session import REPLAY_S, LiveSession
from blsh_hil.live.timing import LiveResult, hops_carried
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_tools.audio import wav_output
from blsh_tools.audio.recordings import open_recording, say_remarks
from blsh_tools.audio.sound_device import Microphone, Speaker
from blsh_tools.console import say
from blsh_tools.options.arguments import DEFAULT_BOARD
from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ENDING
from blsh_trainer.model.artifact import load_model
from blsh_trainer.signals.geometry import Geometry

_SAY_EVERY_S = 2.0


@dataclass(frozen=True)
class LiveOptions:
    """The options of playing live: source, board and target.

    model: the artifact that the firmware was generated from. board, port: as of `reach`. source, target: files; None: a
    sound device. gain_db: of the recording, see open_recording. attenuation: the limit, None for the model's own.
    buffer_s: time from the arrival of the first hop until it is played. seconds: of audio, at most. microphone,
    loudspeaker: name or number of a device; None: the system's.
    """

    model: Path
    board: str = DEFAULT_BOARD
    port: str | None = None
    source: Path | None = None
    target: Path | None = None
    gain_db: float | None = None
    attenuation: int | None = None
    buffer_s: float = 0.032
    seconds: float | None = None
    microphone: str | None = None
    loudspeaker: str | None = None

    def check(self) -> None:
        """Raise BlshError, before anything is opened, for options that exclude each other or cannot be used."""
        ends = (
            ("input", self.source, "microphone", self.microphone),
            ("output", self.target, "loudspeaker", self.loudspeaker),
        )
        for option, path, kind, device in ends:
            if path is not None and device is not None:
                raise BlshError(f"--{option} {path} and --{kind} {device}; choose one of the two")
            if path == Path("-"):
                raise BlshError(
                    f"--{option} -: a pipe keeps no time, and live is about time; name a file, or leave it out for the "
                    f"{kind}. What need not be live goes through `blsh denoise`"
                )
        if self.source is None and self.gain_db is not None:
            raise BlshError(f"--gain {self.gain_db:g} is for a recording; give --input, or set the microphone's level")
        if self.target is not None:
            wav_output.check_wav_output(self.target, self.source)

    def most_hops(self, geometry: Geometry) -> int | None:
        """Return the most hops that may be played; None: no limit. A WAV file has a limit, too."""
        limits = [] if self.seconds is None else [max(1, round(self.seconds / geometry.hop_s))]
        if self.target is not None:
            limits.append(_room(geometry))
        return min(limits, default=None)


def play_live(options: LiveOptions) -> dict[str, Any]:
    """Play from the source through the board until the source ends or a signal does. Return figures as JSON values.

    Raises BlshError. If it comes before the first hop is back, nothing is written; later, the file keeps what came.
    """
    options.check()
    with _Ending() as ending, ExitStack() as cleanup:
        model = load_model(options.model)
        geometry = model.geometry
        source = _source(options, geometry)
        sink = _sink(options, geometry, cleanup)
        target, expected = reach(options.board, options.port, model, say, pushed=True)
        refuse_slow_line(options.port, expected.baud, geometry)
        retries = Retries(replay_hops=round(REPLAY_S / geometry.hop_s))
        client = cleanup.enter_context(connect(target, expected, retries=retries))
        for end in (sink, source):
            cleanup.enter_context(end)  # devices start only now, after the board was built and booted
        limit = ATTENUATION_OF_MODEL if options.attenuation is None else options.attenuation
        ending.session = session = LiveSession(client, source, sink, limit)
        say("live; Ctrl-C ends it")
        session.run(_reporter())
        sink.finish()
        found = session.result()
        counts = client.counts.to_dict()
    _say_troubles(found, options, geometry)
    return {
        "input": str(options.source) if options.source else "microphone",
        "output": str(options.target) if options.target else "loudspeaker",
        "board": options.board,
        "model_sha256": model.sha256,
        "buffer_ms": 1000 * options.buffer_s,
        "link": counts,
        **found.to_dict(),
    }


def _source(options: LiveOptions, geometry: Geometry) -> Source:
    most = options.most_hops(geometry)
    if options.source is not None:
        recording = open_recording(options.source, geometry, options.gain_db)
        say_remarks(options.source, recording)
        return PacedSource(islice(recording.hops(), most), geometry.hop_s)
    opened = Microphone(options.microphone, geometry)
    return opened if most is None else LimitedSource(opened, most)


def _sink(options: LiveOptions, geometry: Geometry, cleanup: ExitStack) -> Sink:
    if options.target is None:
        return Speaker(options.loudspeaker, geometry, options.buffer_s)
    file = cleanup.enter_context(wav_output.kept_wav(options.target, geometry.rate_hz))
    return FileSink(file.write, options.buffer_s, geometry.hop_s)


def _room(geometry: Geometry) -> int:
    """Return the most hops that a WAV file holds."""
    return wav_output.MOST_SAMPLES // geometry.hop


class _Ending:
    """Let the first Ctrl-C, SIGTERM or SIGHUP end the session in order; only another Ctrl-C breaks it off.

    The `with` block holds all that must be finished in order, the file too: a shell sends SIGHUP twice.
    """

    def __init__(self) -> None:
        self.session: LiveSession | None = None
        self._begun = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        heard = [each for each in (signal.SIGINT, *ENDING) if signal.getsignal(each) != signal.SIG_IGN]  # nohup
        self._before = {number: signal.signal(number, self._stop) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.session is None or (self._begun and number == signal.SIGINT):
            before = self._before[number]
            if not callable(before):
                raise KeyboardInterrupt
            before(number, frame)
        elif not self._begun:
            self._begun = True
            with suppress(OSError):  # the terminal may have hung up
                os.write(2, b"ending; Ctrl-C again breaks it off\n")  # the interrupt may have come within say()
            self.session.stop()


def _reporter() -> Callable[[int, int], None]:
    """Return a callback that prints the hops done and late on stderr, every two seconds."""
    last = time.monotonic()

    def report(hops: int, late: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SAY_EVERY_S:
            last = now
            say(f"live: {hops:,} hops, {late:,} late")

    return report


def refuse_slow_line(port: str | None, baud: int, geometry: Geometry) -> None:
    """Raise BlshError for a serial line that cannot carry the sound in real time."""
    carried, needed = hops_carried(baud, geometry), geometry.hops_per_second
    if port is not None and is_line(port) and carried < needed:
        enough = math.ceil(baud * needed / carried)
        raise BlshError(
            f"{port}: at {baud:,} baud the line carries {carried:.1f} hops of {geometry.hop} samples a second, and "
            f"{needed:g} are needed for real time; give the board {enough:,} baud or more (`baud` in boards.toml), or "
            "denoise a recording, which need not keep up: blsh denoise IN OUT --engine device"
        )


def _say_troubles(found: LiveResult, options: LiveOptions, geometry: Geometry) -> None:
    """Print on stderr all deviations from the plan: hops unprocessed or late, a file that is full."""
    if options.target is not None and found.hops >= _room(geometry):
        hours = found.hops * geometry.hop_s / 3600
        say(
            f"{options.target} is full: a WAV file holds {hours:.1f} hours; live has ended in order, start it again "
            "with another --output"
        )
    if found.unprocessed:
        say(f"the board passed {found.unprocessed} hops through unprocessed: {found.integrity!r}")
    if not found.kept_up:
        speed = found.to_dict()["speed"]
        slow = (
            f"the board and its link did {speed} times real time" if speed and speed < 0.99 else "the line was uneven"
        )
        dropped = f", and {found.dropped:,} were thrown away" if found.dropped else ""
        late = f"{found.late:,} of {found.hops:,} hops came late{dropped}: {slow}"
        say(f"{late}; --buffer evens out an uneven line, and does not make a slow one faster")
