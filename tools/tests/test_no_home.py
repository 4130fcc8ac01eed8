# SPDX-License-Identifier: Apache-2.0
"""`blsh` of a service or in a container: a user without a home, an installation that cannot be written."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from .blsh_command import Blsh
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy

NOWHERE = "/proc/blsh-nowhere"  # a folder that not even root can make
# Root can write beside the modules, so NUMBA_CACHE_DIR alone is offered to numba.
NO_HOME = {
    **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NUMBA_CACHE_DIR"), NOWHERE),
    "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
}
TRAINING = ("--system=paper", "--features=mel", "--bits=8", "--steps=2", "--max-frames=200")


def test_a_user_without_a_home_gets_pictures_and_no_chatter(tmp_path: Path) -> None:
    script = """
import numpy as np, pathlib, sys
from blsh_tools.audio.spectrogram_picture import draw_spectrograms
from blsh_trainer.signals.geometry import RECORDER
draw_spectrograms({"noisy": np.ones(3000) / 2}, RECORDER, pathlib.Path(sys.argv[1]))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "x.png")]
    ended = subprocess.run(command, env=os.environ | NO_HOME, capture_output=True, text=True, check=True)
    assert ended.stderr == "" and (tmp_path / "x.png").stat().st_size > 1000


def test_a_user_without_a_home_trains_and_denoises(blsh: Blsh, corpus: Path, noisy: Samples) -> None:
    homeless = replace(blsh, environment=NO_HOME, alone=True)
    homeless.succeed("train", corpus, "-o", "model.npz", *TRAINING)
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000)
    homeless.succeed("denoise", "in.wav", "out.wav", "--model", "model.npz", "--engine", "fixed")
    assert soundfile.info(blsh.cwd / "out.wav").frames == noisy.size
