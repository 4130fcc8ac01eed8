# SPDX-License-Identifier: Apache-2.0
"""`blsh corpus`: make a synthetic corpus, check one, fetch a public one."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, CorpusFolders, NoiseFolder, Seed
from blsh_tools.options.outputs import check_output_folder

_MOST_FILES_NAMED = 3

corpus_app = typer.Typer(
    help="Make, check or fetch a corpus of speech and noise.",
    epilog="Example: `blsh corpus check recordings/`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@corpus_app.command(epilog="Example: `blsh corpus make out/corpus --seed 0`")
def make(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic corpus, if you have no recordings: espeak-ng reads, and noises are synthesised."""
    from blsh_trainer.corpora.synthetic_corpus import make_corpus

    check_output_folder(folder, replaced=True)
    with progress() as advance:
        made = make_corpus(folder, seed, advance)
    result = {"folder": str(folder), "sha256": made.sha256, "files": len(made.entries), "synthetic": True}
    rows = [("folder", str(folder)), ("files", str(len(made.entries))), ("sha256", made.sha256)]
    show(result, as_json, rows, "Synthetic corpus")


@corpus_app.command(epilog="Example: `blsh corpus check TIMIT/ --noise noises/`")
def check(
    corpora: CorpusFolders,
    noise: NoiseFolder = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of a corpus, and tell its layout, its splits, speakers and minutes, and what is wrong with it.

    Several corpora are checked as the one that `blsh train` makes of them.

    The exit code is 2 if there are errors. Remarks do not count.
    """
    from blsh_trainer.corpora.check import check_corpus
    from blsh_trainer.corpora.merging import load_corpora

    corpus = load_corpora(corpora, noise, refuse_copies=False)
    with progress() as advance:
        report = check_corpus(corpus, advance)
    rows = [
        [part.split, part.kind, f"{part.files:,}", f"{part.labels:,}", f"{part.minutes:.1f}"] for part in report.parts
    ]
    title = f"{report.name}: layout {report.layout}, SHA-256 {report.sha256[:16]}"
    show(report.to_dict(), as_json, rows, title, ["split", "kind", "files", "speakers or types", "minutes"])
    for finding in report.findings:
        named = ", ".join(finding.files[:_MOST_FILES_NAMED])
        more = f" and {len(finding.files) - _MOST_FILES_NAMED} more" if len(finding.files) > _MOST_FILES_NAMED else ""
        say(f"{finding.level}: {finding.text}{f': {named}{more}' if named else ''}")
    if report.errors:
        raise typer.Exit(2)


@corpus_app.command(epilog="Example: `blsh corpus fetch mini-librispeech -o out/librispeech`")
def fetch(
    source: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A corpus of the catalogue, or the URL of an archive.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to put it in [default: out/NAME].")
    ] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="SHA-256 of the archive, for a URL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch an openly licensed corpus, verify and unpack it; without NAME, list the catalogue.

    A download that was interrupted goes on where it stopped.
    """
    from dataclasses import asdict

    from blsh_trainer.corpora.fetch.catalogue import find_offer, read_catalogue
    from blsh_trainer.corpora.fetch.download import Patience
    from blsh_trainer.corpora.fetch.fetch_corpus import SCRATCH
    from blsh_trainer.corpora.fetch.fetch_corpus import fetch as fetch_offer

    if source is None:
        offers = read_catalogue()
        listed = [[offer.name, offer.title, offer.licence] for offer in offers.values()]
        show([asdict(offer) for offer in offers.values()], as_json, listed, "", ["name", "corpus", "licence"])
        return
    offer = find_offer(source, sha256)
    folder = output or Path("out") / offer.name
    for archive in offer.archives:
        check_output_folder(folder / archive.folder)
    say(f"{offer.title}; licence: {offer.licence}; see {offer.page}")
    try:
        with progress() as advance:
            fetched = fetch_offer(offer, folder, advance, Patience(tell=say))
    except KeyboardInterrupt:
        say(f"Stopped. What has arrived is kept in {folder / SCRATCH}; the same command goes on from there.")
        raise
    rows = [[item.folder, f"{item.files:,}", f"{item.bytes:,}", item.sha256] for item in fetched]
    result = {"folder": str(folder), "name": offer.name, "archives": [asdict(item) for item in fetched]}
    show(result, as_json, rows, f"Fetched into {folder}", ["folder", "files", "bytes", "SHA-256"])
