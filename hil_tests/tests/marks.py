# SPDX-License-Identifier: Apache-2.0
"""Marks for tests that need programs which a machine may lack."""

import pytest

from blsh_hil.boards.board import CROSS_COMPILER
from blsh_hil.boards.virtual import QEMU

needs_compiler = pytest.mark.needs(CROSS_COMPILER)
needs_emulator = pytest.mark.needs(CROSS_COMPILER, QEMU)
