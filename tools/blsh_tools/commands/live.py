"""`blsh live`: sound through the board in real time, with its latency measured."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, Gain, PortUrl
from blsh_tools.options.numbers_in_range import BUFFER_MS, SECONDS_OF_AUDIO
from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ENDING

if TYPE_CHECKING:  # imported when the command runs, so that `blsh --help` is quick
    from blsh_hil.live.ends import Sink, Source
    from blsh_hil.live.session import LiveSession
    from blsh_hil.live.timing import LiveResult

_SAY_EVERY_S = 2.0
_SENTENCES = {
    "waiting_to_send": "waiting to be sent",
    "link_and_board": "link and board",
    "waiting_to_play": "waiting to be played",
    "end_to_end": "end to end",
}


def live(
    model: Annotated[Path, typer.Option("--model", help="Model artifact.")] = DEFAULT_MODEL,
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="IN", help="Recording to play [default: the microphone].")
    ] = None,
    gain: Gain = None,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="OUT.wav", help="WAV to write [default: the loudspeaker].")
    ] = None,
    buffer: Annotated[
        float, BUFFER_MS.option("Milliseconds that the first hop waits before it is played.", metavar="MS")
    ] = 32.0,
    seconds: Annotated[float | None, SECONDS_OF_AUDIO.option("Stop after so much audio; Ctrl-C does so too.")] = None,
    microphone: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Name or number [default: the system's].")
    ] = None,
    loudspeaker: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Name or number [default: the system's].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a recording or a microphone through the board in real time, and measure the latency of every hop.

    With --input and --output no sound device is needed; the output file is what the board put out, 768 samples late.
    Ctrl-C, SIGTERM and SIGHUP end it in order: the file is complete. A board that is slower than real time is not
    hurried: hops come late.
    """
    result = run_live(model, board, port, source, target, buffer, seconds, microphone, loudspeaker, gain)
    show(result, as_json, _rows(result), f"Live: {result['input']} → {board} → {result['output']}")


def run_live(
    model_path: Path,
    board: str,
    port: str | None,
    source_path: Path | None,
    target: Path | None,
    buffer_ms: float,
    seconds: float | None,
    microphone: str | None,
    loudspeaker: str | None,
    gain_db: float | None = None,
) -> dict[str, Any]:
    """What `live` does; returns the figures as JSON values. Raises BlshError, and then writes nothing."""
    from blsh_firmware.build.images import reach
    from blsh_hil.boards.session import connect
    from blsh_hil.link.retry import Retries
    from blsh_hil.live.session import REPLAY_HOPS, LiveSession
    from blsh_trainer.model.artifact import load_model

    _check_ends(source_path, target, microphone, loudspeaker)
    with _Ending() as ending, ExitStack() as cleanup:
        source = _source(source_path, gain_db, seconds, microphone)
        sink = _sink(target, buffer_ms / 1000, loudspeaker, cleanup)
        model = load_model(model_path)
        retries = Retries(replay_hops=REPLAY_HOPS)
        client = cleanup.enter_context(connect(*reach(board, port, model, say), retries=retries))
        _warn_of_slow_line(port, client.baud)
        for end in (sink, source):
            cleanup.enter_context(end)  # devices start now, not while the board was being built or booted
        ending.session = session = LiveSession(client, source, sink)
        say("live; Ctrl-C ends it")
        session.run(_reporter())
        sink.finish()
        found = session.result()
        counts = client.counts.to_dict()
    if found.unprocessed:
        say(f"the board passed {found.unprocessed} hops through unprocessed: {found.integrity!r}")
    if not found.kept_up:
        say(_why_late(found))
    return {
        "input": str(source_path) if source_path else "microphone",
        "output": str(target) if target else "loudspeaker",
        "board": board,
        "model_sha256": model.sha256,
        "buffer_ms": buffer_ms,
        "link": counts,
        **found.to_dict(),
    }


def _check_ends(source: Path | None, target: Path | None, microphone: str | None, loudspeaker: str | None) -> None:
    """Raise BlshError, before anything is opened, for ends that exclude each other or cannot be."""
    from blsh_tools.options.outputs import check_wav_output

    for option, path, device in (("input", source, "microphone"), ("output", target, "loudspeaker")):
        given = microphone if option == "input" else loudspeaker
        if path is not None and given is not None:
            raise BlshError(f"--{option} {path} and --{device} {given}; choose one of the two")
        if path == Path("-"):
            raise BlshError(
                f"--{option} -: a pipe keeps no time, and live is about time; name a file, or leave it out for the "
                f"{device}. What need not be live goes through `blsh denoise`"
            )
    if target is not None:
        check_wav_output(target, source)


def _source(path: Path | None, gain_db: float | None, seconds: float | None, device: str | None) -> "Source":
    from itertools import islice

    from blsh_codegen.spec.constants import HOP_S
    from blsh_hil.live.ends import LimitedSource, PacedSource
    from blsh_tools.audio.recordings import open_recording, say_remarks

    most = None if seconds is None else max(1, round(seconds / HOP_S))
    if path is not None:
        recording = open_recording(path, gain_db)
        say_remarks(path, recording)
        return PacedSource(islice(recording.hops(), most))
    from blsh_tools.audio.sound_device import Microphone

    if gain_db is not None:
        raise BlshError(f"--gain {gain_db:g} is for a recording; give --input, or set the microphone's level")
    opened = Microphone(device)
    return opened if most is None else LimitedSource(opened, most)


def _sink(target: Path | None, buffer_s: float, device: str | None, cleanup: ExitStack) -> "Sink":
    from blsh_hil.live.ends import FileSink
    from blsh_tools.audio.recordings import WavWriter
    from blsh_trainer.files import replacing

    if target is None:
        from blsh_tools.audio.sound_device import Speaker

        return Speaker(device, buffer_s)
    file = cleanup.enter_context(WavWriter(cleanup.enter_context(replacing(target))))
    return FileSink(file.write, buffer_s)


class _Ending:
    """The first Ctrl-C, SIGTERM or SIGHUP lets the session end in order; only another Ctrl-C breaks it off.

    As a context manager it goes around all that must be finished then, the file too: a shell hangs up twice.
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
            with suppress(OSError):  # whose terminal has hung up
                os.write(2, b"ending; Ctrl-C again breaks it off\n")  # say() may be what was interrupted
            self.session.stop()


def _reporter() -> Callable[[int, int], None]:
    """Says how it goes, every few seconds, on stderr."""
    last = time.monotonic()

    def report(hops: int, late: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SAY_EVERY_S:
            last = now
            say(f"live: {hops:,} hops, {late:,} late")

    return report


def _warn_of_slow_line(port: str | None, baud: int) -> None:
    from blsh_codegen.spec.constants import HOPS_PER_SECOND
    from blsh_hil.live.timing import hops_per_second

    carries = hops_per_second(baud)
    if port is not None and port.startswith("/dev/tty") and carries < HOPS_PER_SECOND:
        need = f"{HOPS_PER_SECOND:g} are needed for real time"
        say(f"{port}: at {baud:,} baud the line carries {carries:.1f} hops/s, {need}")


def _why_late(found: "LiveResult") -> str:
    speed = found.to_dict()["speed"]
    behind = f"the board and its link did {speed} times real time" if speed and speed < 0.99 else "the line was uneven"
    dropped = f", and {found.dropped:,} were thrown away" if found.dropped else ""
    return f"{found.late:,} of {found.hops:,} hops came late{dropped}: {behind}; --buffer takes up unevenness alone"


def _rows(result: dict[str, Any]) -> list[list[str]]:
    latency: dict[str, Any] = result["latency_ms"]
    rows = [["hops", f"{result['hops']:,}, {result['seconds']:g} s"]]
    rows += [["latency: the algorithm", f"{latency['algorithm']:.0f} ms"]]
    for name, words in _SENTENCES.items():
        if name in latency:
            rows.append([f"... {words}", _spread(latency[name])])
    if result["board_ms"]:
        rows.append(["the board's own work", _spread(result["board_ms"])])
    late = f"{result['late_hops']:,}; {result['underruns']:,} hops of silence in their place"
    rows += [["late hops", late], ["thrown away", f"{result['dropped_hops']:,}"]]
    rows += [["real time", "yes" if result["real_time"] else f"no: {result['speed']} times"]]
    rows += [["asked again", f"{result['link']['retries']:,}; streams {result['streams']}"]]
    return rows


def _spread(part: dict[str, float]) -> str:
    return f"min {part['min']:.1f}, mean {part['mean']:.1f}, 95 % {part['p95']:.1f}, most {part['max']:.1f} ms"
