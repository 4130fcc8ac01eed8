"""The command `blsh`. Results go to stdout, progress and remarks to stderr; bad input ends with exit code 2."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.commands.bench_firmware import bars_firmware, bench_firmware
from blsh_tools.commands.bench_link import bench_link
from blsh_tools.commands.boards import boards, emulate, flash
from blsh_tools.commands.corpus import corpus_app
from blsh_tools.commands.estimate import estimate
from blsh_tools.commands.evaluate import evaluate
from blsh_tools.commands.experiment import experiment
from blsh_tools.commands.export import export
from blsh_tools.commands.generate import generate
from blsh_tools.commands.hil import hil
from blsh_tools.commands.live import live
from blsh_tools.commands.push import push
from blsh_tools.commands.report import report
from blsh_tools.commands.train import train
from blsh_tools.console import progress, say, show, stderr
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, Gain, PortUrl, Seed
from blsh_tools.options.model import DictionaryOptions, with_groups
from blsh_tools.options.numbers_in_range import COUNT, SECONDS_OF_AUDIO
from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ended_in_order
from blsh_trainer.standard_streams import guarded_output

app = typer.Typer(
    name="blsh",
    help="Speech denoising by look-up on ARM Cortex-M: train, generate, build, flash, prove.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(corpus_app, name="corpus")


app.command(epilog="Example: `blsh train recordings/ -o out/model.npz --features mel --bits 50`")(train)

app.command(epilog="Example: `blsh evaluate out/model.npz recordings/ --snr 0 --engine fixed`")(evaluate)

app.command(epilog="Example: `blsh experiment fig3 recordings/ --seeds 5`")(experiment)


@app.command(epilog="Example: `blsh denoise noisy.wav clean.wav --model out/model.npz --engine device`")
@with_groups
def denoise(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="WAV, FLAC or what else soundfile reads; - is standard input.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="WAV to write: 16 kHz, mono, 16 bits; - is standard output.")
    ],
    model: Annotated[Path, typer.Option("--model", help="Model artifact.")] = DEFAULT_MODEL,
    engine: Annotated[str, typer.Option(help="`float`, `fixed` (the firmware's integers) or `device`.")] = "float",
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    gain: Gain = None,
    *,
    reduction: DictionaryOptions,
    as_json: AsJson = False,
) -> None:
    """Denoise a recording; the result has the same length and is aligned in time.

    The device takes its dictionary from the firmware, so --entries and the like belong to `blsh generate` there.
    A recording that was cut short is denoised as far as it goes. Standard input is kept in a temporary file; it must
    have a header, WAV's or another. With OUT - nothing but the WAV goes to standard output, so there is no --json.
    """
    from blsh_tools.audio.denoise_file import denoise_file
    from blsh_tools.audio.recordings import STANDARD_OUTPUT

    piped = str(target) in STANDARD_OUTPUT
    if piped and as_json:
        raise BlshError(f"output {target} and --json would both go to standard output; name a file for the output")
    with progress() as advance:
        result = denoise_file(
            source,
            target,
            model_path=model,
            engine=engine,
            board_name=board,
            port=port,
            reduction=reduction,
            gain_db=gain,
            progress=advance,
        )
    if piped:
        say(f"standard output: {result['samples']:,} samples at 16 kHz, engine {engine}")
        return
    rows = [("written", str(target)), ("samples", f"{result['samples']:,} at 16 kHz"), ("engine", engine)]
    if link := result.get("link"):
        rows += [("rate", f"{link['hops_per_second']:.0f} hops/s, {link['times_real_time']:.2f} times real time")]
        rows += [("asked again", f"{link['retries']:,} of {link['requests']:,} requests")]
    show(result, as_json, rows, "Denoised")


app.command(epilog="Example: `blsh live --port /dev/ttyACM0 --input noisy.wav --output clean.wav`")(live)

app.command(epilog="Example: `blsh generate out/model.npz --board microbit --flash 128K`")(generate)

app.command(epilog="Example: `blsh estimate out/model.npz --board netduinoplus2 --entries 2048`")(estimate)

app.command(epilog="Example: `blsh export out/model.npz --to lib/blsh --entries 4096`")(export)


@app.command(epilog="Example: `blsh build --board mps2-an386`")
def build(board: BoardName = DEFAULT_BOARD, as_json: AsJson = False) -> None:
    """Build the firmware of the generated model with PlatformIO."""
    from blsh_firmware.build.images import build_image
    from blsh_hil.boards.table import find_board

    image = build_image(find_board(board), lambda line: say(line) if line else None)
    rows = [
        ("image", str(image.elf)),
        ("build id", f"{image.build_id:08x}"),
        ("model", f"{image.record.model_name}, {image.record.dictionary_entries:,} entries"),
        ("flash", f"{image.size.flash_bytes:,} bytes"),
        ("RAM", f"{image.size.ram_bytes:,} bytes, stack not counted"),
    ]
    show(image.to_dict(), as_json, rows, f"Built for {board}")


app.command(epilog="Example: `blsh flash --board nucleo_f446re --dry-run`")(flash)


app.command(epilog="Example: `blsh push out/other.npz --board microbit --entries 512`")(push)


app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: `blsh hil --board all --corpus recordings/ --minutes 10`",
)(hil)


app.command(epilog="Example: `blsh report out/hil -o report.html`")(report)
app.command(epilog="Example: `blsh boards --json`")(boards)

app.command(epilog="Example: `blsh emulate --board mps2-an386 --pty`")(emulate)


@app.command(epilog="Example: `blsh demo --corpus recordings/`")
def demo(
    corpus: Annotated[
        Path | None, typer.Option(help="Folder of recordings [default: a synthetic corpus, made here].")
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path("out/demo"),
    seconds: Annotated[float, SECONDS_OF_AUDIO.option("Seconds of noisy speech to send through the board.")] = 30.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """The whole chain: train, generate, build, boot, compare bit for bit, denoise a recording, measure."""
    from blsh_hil.boards.table import find_board
    from blsh_tools.demo_chain import DemoOptions, check_demo_folder, run_demo, summary
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.corpora.synthetic_corpus import make_corpus
    from blsh_trainer.learning.options import EXTENDED

    chosen = find_board(board)
    check_demo_folder(output)
    with progress() as advance:
        if corpus is None:
            say("No recordings given: this demo makes SYNTHETIC ones (espeak-ng voices, synthesised noises).")
            say("For real ones: make demo CORPUS=DIR, a folder as docs/tutorial.md describes.")
            source = make_corpus(Path("out/synthetic-corpus"), seed, advance)
        else:
            source = load_corpus(corpus)
        options = DemoOptions(seconds=seconds, seed=seed, train=EXTENDED.with_(name="demo", seed=seed))
        result = run_demo(source, chosen, output, options, advance, synthetic=corpus is None)
    kind = "SYNTHETIC corpus" if corpus is None else f"corpus {source.name}"
    show(result, as_json, summary(result, output), f"blsh demo, {board}, {kind}")


@app.command(epilog="Example: `blsh bench --json`")
def bench(
    board: BoardName = DEFAULT_BOARD,
    model: Annotated[Path, typer.Option("--model", help="Model artifact that the firmware was generated from.")] = (
        DEFAULT_MODEL
    ),
    hops: Annotated[int, COUNT.option("Hops to measure.")] = 125,
    as_json: AsJson = False,
) -> None:
    """Count the instructions of each stage of a hop on a virtual board, exactly."""
    from blsh_firmware.measure.generated_firmware import count_generated
    from blsh_hil.boards.table import find_board

    result = count_generated(find_board(board), model, hops, say)
    counts: dict[str, Any] = result["instructions"]
    rows = [[stage, f"{count:,}", f"{100 * count / counts['mean']:.1f} %"] for stage, count in counts["stages"].items()]
    rows += [["whole hop, mean", f"{counts['mean']:,}", ""], ["whole hop, most", f"{counts['maximum']:,}", ""]]
    rows += [["flash, bytes", f"{result['flash_bytes']:,}", ""], ["RAM, bytes", f"{result['ram_bytes']:,}", ""]]
    rows += [["stack used, bytes", f"{result['stack_bytes_used']:,}", ""]]
    title = f"{board}: instructions per hop ({counts['millions_per_second']} M/s); instructions are not cycles"
    show(result, as_json, rows, title, ["stage", "instructions", "share"])


app.command("bench-link", epilog="Example: `blsh bench-link --board microbit --seconds 4`")(bench_link)

app.command("bench-firmware", epilog="Example: `blsh bench-firmware --corpus recordings/ --model out/demo/model.npz`")(
    bench_firmware
)

app.command("bars-firmware", epilog="Example: `blsh bars-firmware --corpus recordings/`")(bars_firmware)


def main() -> None:
    """Run the command line: bad input becomes one message and exit code 2, a signal that ends it 128 + its number."""
    with ended_in_order():
        try:
            with guarded_output():
                app()
        except (BlshError, OSError) as error:
            stderr.print(f"error: {error}", markup=False, style="red" if stderr.is_terminal else None)
            sys.exit(2)


if __name__ == "__main__":
    main()
