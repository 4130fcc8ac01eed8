"""The openly licensed corpora that can be fetched by name; catalogue.toml lists them."""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from blsh_trainer.errors import BlshError

ENDINGS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Archive:
    """An archive to fetch, and what becomes of it: `folder`, of what lies `inside` (all of it when empty).

    One of the digests is set, in hex: `sha256`, or the publisher's `md5` where nothing better is published.
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
    """Return what `source` stands for: a name of the catalogue, or the URL of an archive with its `sha256`.

    BlshError for an unknown name, a URL that is not http(s) or names no archive, and for a SHA-256 that is
    missing (of a URL), not one, or given with a name, whose digests the catalogue has.
    """
    if "://" not in source:
        catalogue = read_catalogue()
        if source not in catalogue:
            raise BlshError(
                f"no corpus {source!r} in the catalogue; choose one of {', '.join(catalogue)}, or give a URL"
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
