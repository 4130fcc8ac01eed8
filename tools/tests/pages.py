# SPDX-License-Identifier: Apache-2.0
"""Read the code blocks of the pages, and the marks before them: CONTRIBUTING.md says what a mark may be."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blsh_codegen.project import project_root

ROOT = project_root()
_FOLDERS = ("docs", "firmware", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(path for name in _FOLDERS for path in (ROOT / name).rglob("*.md"))])

NOT_RUN = {
    "needs a board": "a part on the desk, its probe or its port",
    "needs the network": "a download",
    "needs sound devices": "a microphone or a loudspeaker",
    "needs another tool": "a program that Debian and PyPI do not have, such as west or idf.py",
    "takes minutes": "longer than a test may take, however small the recordings are",
    "needs many recordings": "a corpus as large as a real one",
    "waits for its user": "a page or a dialogue that stays open",
    "part of a program": "lines that another program surrounds",
}
"""What a mark `<!-- not run: REASON -->` may give as its reason, with its meaning."""

RUN = {"sh", "python", "cmake"}
PARSED = {"c", "toml", "yaml", "json", "ini", "csv"}
FREE = {"text", "mermaid", ""}
"""Languages whose blocks say nothing that a test could run. A block without a language may hold no command."""

OUTPUT = {"numbers differ"}
"""What a mark `<!-- output: ... -->` may say of a block that shows what the block before it prints."""

MARKS = {"not run", "first", "file", "added to", "output"}

_RESULTS = ROOT / "docs" / "results"
_MARK = re.compile(r"<!-- ([a-z][a-z ]*): ([^\n]+?) -->")
_BLOCK = re.compile(
    r"(?P<marks>(?:^[ ]*<!-- [^\n]+ -->\n\s*)*)"
    r"^(?P<indent>[ ]*)(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_OPERATORS = set("();<>|&")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its fence, its language, its text; the marks before it, by name.

    joined: whether nothing but marks stands between it and the block before.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]
    joined: bool

    @property
    def place(self) -> str:
        """The page and the line, as an editor takes them."""
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether the block is executed; those of pages that commands wrote with their results are not."""
        return self.language in RUN and "not run" not in self.marks and not self.page.is_relative_to(_RESULTS)


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("fence")) + 1
        body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        marks = {name: value for name, value in _MARK.findall(match["marks"]) if name != "written by"}
        joined = bool(found) and not text[end : match.start()].strip()
        found.append(Block(page, line, match["language"].strip(), body, marks, joined))
        end = match.end()
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a shell script, without redirections and assignments before it.

    Here-documents are no commands. ValueError for a quotation that does not end.
    """
    text = re.sub(r"<<-?\s*'?(\w+)'?([^\n]*)\n.*?^\1$", r"\2", text, flags=re.MULTILINE | re.DOTALL)
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""  # its own would begin within a word
        words: list[str] = []
        redirected = False
        for word in lexer:
            if word.startswith("#"):
                break
            if set(word) <= _OPERATORS:
                redirected = "<" in word or ">" in word
                if redirected and words[-1:] in (["1"], ["2"]):
                    words.pop()  # the stream that is redirected
                if not redirected:
                    yield from _command(words)
                    words = []
            elif not redirected:
                words.append(word)
            else:
                redirected = False
        yield from _command(words)


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if words:
        yield words
