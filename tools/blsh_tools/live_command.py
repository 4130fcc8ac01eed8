"""`blsh live`: sound through the board in real time, with its latency measured."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, Gain, PortUrl
from blsh_tools.console import say, show
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:  # imported when the command runs, so that `blsh --help` is quick
    from blsh_hil.live import LiveResult, LiveSession, Sink, Source

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
        float, typer.Option(metavar="MS", help="Milliseconds that the first hop waits before it is played.")
    ] = 32.0,
    seconds: Annotated[float | None, typer.Option(help="Stop after so much audio; Ctrl-C does so too.")] = None,
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
    Ctrl-C ends it in order: the file is complete. A board that is slower than real time is not hurried: hops come late.
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
    from blsh_hil.live import REPLAY_HOPS, LiveSession
    from blsh_hil.retry import Retries
    from blsh_hil.session import connect
    from blsh_tools.firmware import reach
    from blsh_trainer.artifact import load_model

    if not 0 <= buffer_ms <= 10_000:
        raise BlshError(f"a buffer of {buffer_ms:g} ms; choose 0 to 10,000")
    if seconds is not None and not seconds > 0:
        raise BlshError(f"{seconds:g} seconds of audio; give more than 0")
    with ExitStack() as cleanup:
        source = _source(source_path, gain_db, seconds, microphone)
        sink = _sink(source_path, target, buffer_ms / 1000, loudspeaker, cleanup)
        model = load_model(model_path)
        retries = Retries(replay_hops=REPLAY_HOPS)
        client = cleanup.enter_context(connect(*reach(board, port, model, say), retries=retries))
        _warn_of_slow_line(port, client.baud)
        for end in (sink, source):
            cleanup.enter_context(end)  # devices start now, not while the board was being built or booted
        session = LiveSession(client, source, sink)
        say("live; Ctrl-C ends it")
        with _ended_by_ctrl_c(session):
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


def _source(path: Path | None, gain_db: float | None, seconds: float | None, device: str | None) -> "Source":
    from itertools import islice

    from blsh_hil.live import HOP_S, LimitedSource, PacedSource
    from blsh_tools.recordings import open_recording, say_remarks

    most = None if seconds is None else max(1, round(seconds / HOP_S))
    if path is not None:
        if device is not None:
            raise BlshError(f"--input {path} and --microphone {device}; choose one of the two")
        recording = open_recording(path, gain_db)
        say_remarks(path, recording)
        return PacedSource(islice(recording.hops(), most))
    from blsh_tools.sound import Microphone

    if gain_db is not None:
        raise BlshError(f"--gain {gain_db:g} is for a recording; give --input, or set the microphone's level")
    opened = Microphone(device)
    return opened if most is None else LimitedSource(opened, most)


def _sink(source: Path | None, target: Path | None, buffer_s: float, device: str | None, cleanup: ExitStack) -> "Sink":
    from blsh_hil.live import FileSink
    from blsh_tools.outputs import check_output
    from blsh_tools.recordings import WavWriter
    from blsh_trainer.files import replacing

    if target is None:
        from blsh_tools.sound import Speaker

        return Speaker(device, buffer_s)
    if device is not None:
        raise BlshError(f"--output {target} and --loudspeaker {device}; choose one of the two")
    if source is not None and target.resolve() == source.resolve():
        raise BlshError(f"{target} is the input itself; name another file for the output")
    if target.suffix.lower() != ".wav":
        raise BlshError(f"output {target} would be a WAV file by another name; end its name in .wav")
    check_output(target)
    file = cleanup.enter_context(WavWriter(cleanup.enter_context(replacing(target))))
    return FileSink(file.write, buffer_s)


@contextmanager
def _ended_by_ctrl_c(session: "LiveSession") -> Iterator[None]:
    """The first Ctrl-C lets the session end in order, the second breaks it off."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        os.write(2, b"ending; Ctrl-C again breaks it off\n")  # say() may be what was interrupted
        session.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    from blsh_hil.live import HOPS_PER_SECOND, hops_per_second

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
