# SPDX-License-Identifier: Apache-2.0
"""PlatformIO starts `<its python> <tool-scons>/scons.py`: hand over to the SCons installed beside it."""

import sys

from SCons.Script.Main import main

sys.exit(main())
