# SPDX-License-Identifier: Apache-2.0
"""Sphinx settings of the site that `make docs` builds.

The source folder is the checkout itself, so that a link from one page to another is the same here and on GitHub.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "BLSH on Cortex-M"
author = "The BLSH on Cortex-M authors"
version = release = _PROJECT["version"]
html_title = f"{project} {release}"
project_copyright = f"{author}, Apache-2.0"

root_doc = "docs/index"
source_suffix = {".md": "markdown", ".txt": "markdown"}  # .txt: the pages that reference_pages.py writes
include_patterns = ["*.md", "docs/**.md", "docs/reference/generated/*.txt", "firmware/core/*.md", "examples/**.md"]
exclude_patterns = [".*", "out", "build", "dist", "trainer", "codegen", "hil_tests", "tools", "firmware/generated"]
nitpicky = True
nitpick_ignore_regex = [
    # what other projects define, for no file of theirs is at hand without a network
    (r"py:.*", r"(?!blsh_).*"),
    (r"c:identifier", r"u?int\d+_t|size_t"),
    # private names and type variables
    (r"py:class", r"blsh_.*\.(_\w+|M|Result)"),
    # in the table of stages
    (r"c:identifier", r"blsh_stage_t"),
    # private: a user of the core never looks into a state
    (r"c:identifier", r"blsh_state_t"),
]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "hawkmoth",
    "reference_pages",
    "docstrings",
    "c_header",
    "diagrams",
    "self_contained",
]

hawkmoth_autoconf: list[str] = []  # c_header.py tells hawkmoth where headers are

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
myst_fence_as_directive = ["mermaid"]

default_role = "code"  # docstrings mark code as Markdown does, with single backticks
autodoc_typehints = "none"  # docstrings give types and shapes; links to each type would take ten seconds more
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries = False  # else each side bar lists each function, and a build takes twice as long

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # a summary is fetched, which no browser does without a server
