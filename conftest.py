# SPDX-License-Identifier: Apache-2.0
"""Let every folder of tests use the fixtures and markers that the suite ships, and compile each training once."""

import os
from pathlib import Path

pytest_plugins = ["blsh_suite.shared_fixtures"]

# JAX compiles a step of a training for seconds, and tests take the same few steps in many processes.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
