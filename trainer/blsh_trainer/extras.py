# SPDX-License-Identifier: Apache-2.0
"""Packages that not every user needs: the extras of blsh-mcu, and the error where one is asked for and not there."""

import importlib.util
import sys
from dataclasses import dataclass
from typing import Final

from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class Extra:
    """An extra of pyproject.toml. name: in the brackets of `pip install`. use: what needs it. remark: on installing."""

    name: str
    use: str
    remark: str = ""


EXTRAS: Final = {
    "jax": Extra("train", "training models of the system voting"),
    "pesq": Extra("measure", "the metric pesq", "pip compiles it with gcc and the headers of Python, python3-dev"),
    "sounddevice": Extra("audio", "sound from a microphone or to a loudspeaker"),
    "distributed": Extra("distributed", "training on a Dask scheduler"),
    "torch": Extra("baselines", "training the paper's neural baselines"),
}
"""The extra of each package that is imported where it is used, by the name that it is imported by."""


def mend(package: str) -> str:
    """Return the command that installs `package`, one of EXTRAS, for this Python."""
    return f"{sys.executable} -m pip install 'blsh-mcu[{EXTRAS[package].name}]'"


def is_there(package: str) -> bool:
    """Return whether `package` can be found, without importing it."""
    return importlib.util.find_spec(package) is not None


def lack_of(package: str) -> BlshError:
    """Return the error that `package`, one of EXTRAS, is not installed; it names the command that mends it."""
    extra = EXTRAS[package]
    remark = f" ({extra.remark})" if extra.remark else ""
    return BlshError(f"{extra.use} needs the package {package}, which is not installed: {mend(package)}{remark}")


def require(package: str) -> None:
    """Raise BlshError unless `package`, one of EXTRAS, is installed."""
    if not is_there(package):
        raise lack_of(package)
