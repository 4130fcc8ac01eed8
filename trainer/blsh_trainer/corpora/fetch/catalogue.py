# SPDX-License-Identifier: Apache-2.0
"""Find archives to fetch: the openly licensed corpora of catalogue.toml, by name, or an archive by its URL."""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from blsh_trainer.errors import BlshError
from blsh_trainer.suggestions import did_you_mean

ENDINGS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Archive:
    """An archive to fetch: the files that lie `inside` it (empty: all files) become the folder `folder`.

    At least one digest is set, in hex: `sha256`, or the publisher's `md5` where no SHA-256 is published.
    """

    url: str
    folder: str
    inside: str = ""
    sha256: str = ""
    md5: str = ""


@dataclass(frozen=True)
class Offer:
    """A corpus that can be fetched."""

    name: str
    title: str
    licence: str
    page: str
    archives: tuple[Archive, ...]


def read_catalogue() -> dict[str, Offer]:
    """Return the corpora of the catalogue by name."""
    table = tomllib.loads(resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {
        name: Offer(name, row["title"], row["licence"], row["page"], tuple(Archive(**item) for item in row["archives"]))
        for name, row in table.items()
    }


def find_offer(source: str, sha256: str | None) -> Offer:
    """Return the corpus that `source` names in the catalogue, or the archive at the URL `source` with its `sha256`.

    BlshError for an unknown name, and for a URL that is not http(s) or names no archive. BlshError, too, for a URL
    without a valid SHA-256, and for a name with one, because the catalogue has the digests.
    """
    if "://" not in source:
        catalogue = read_catalogue()
        if source not in catalogue:
            meant = did_you_mean(source, catalogue)
            raise BlshError(
                f"no corpus {source!r} in the catalogue{meant}; choose one of {', '.join(catalogue)}, or give a URL"
            )
        if sha256 is not None:
            raise BlshError(f"--sha256 goes with a URL; the digests of {source} are in the catalogue")
        return catalogue[source]
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BlshError(f"{source} is not a URL that can be fetched; give one with http:// or https://")
    if sha256 is None:
        raise BlshError(f"the SHA-256 of {source} is unknown; give the publisher's with --sha256, 64 hex digits")
    if not _SHA256.fullmatch(sha256.lower()):
        raise BlshError(f"--sha256 {sha256!r} is not a SHA-256; give its 64 hex digits")
    name = PurePosixPath(unquote(parts.path)).name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    folder = name[: len(name) - len(ending)]
    if not ending or folder.startswith(".") or not folder:
        raise BlshError(f"{source} names no archive; its path must end in one of {', '.join(ENDINGS)}")
    return Offer(folder, name, "not known", source, (Archive(source, folder, sha256=sha256.lower()),))
