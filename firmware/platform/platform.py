# SPDX-License-Identifier: Apache-2.0
"""PlatformIO loads this: a platform whose compiler is on the PATH and whose SCons came from pip."""

from importlib.util import find_spec
from pathlib import Path

from platformio.platform.base import PlatformBase


class Blsh_mcuPlatform(PlatformBase):  # PlatformIO derives the class name from platform.json's "name"
    def is_embedded(self):
        return True  # PlatformBase says so only of platforms with an uploader package

    def configure_default_packages(self, options, targets):
        # PlatformIO asks its registry for tool-scons. The SCons installed by pip beside PlatformIO does the
        # same work, so a shim stands in unless the registry's own package is there already.
        installed = {
            package.metadata.name
            for package in self.pm.get_installed()
            if package.metadata.spec.owner == "platformio" and not package.metadata.spec.external
        }
        if "tool-scons" not in installed and find_spec("SCons"):
            shim = Path(self.get_dir(), "tools", "scons")
            self.packages["tool-scons"] = {"owner": "platformio", "version": f"symlink://{shim}"}
        super().configure_default_packages(options, targets)
