# SPDX-License-Identifier: Apache-2.0
"""PlatformIO runs this under SCons: a program of src/ and of the libraries that it includes."""

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
prefix = env.GetProjectOption("custom_prefix", "")
flags = env.GetProjectOption("custom_cpu_flags", "").split()
env.Replace(
    AR=f"{prefix}gcc-ar",
    CC=f"{prefix}gcc",
    CXX=f"{prefix}g++",
    RANLIB=f"{prefix}gcc-ranlib",
    SIZETOOL=None,
    PROGNAME="program",
    PROGSUFFIX=".elf",
)
env.Append(CCFLAGS=flags, LINKFLAGS=flags + env.GetProjectOption("custom_link_flags", "").split())
Default([env.BuildProgram()])
