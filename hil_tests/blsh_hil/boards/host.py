# SPDX-License-Identifier: Apache-2.0
"""Run the firmware as a native process: the same application and core, behind a TCP port instead of a UART.

    with HostBoard(build_host()) as host:
        client = BoardClient.open(host.url)

It is the fastest board, and needs no cross-compiler, emulator or cable.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.project import project_root
from blsh_codegen.source_snapshot import Snapshot
from blsh_hil.link.child_process import ChildBoard
from blsh_hil.wire import protocol_header
from blsh_trainer.errors import BlshError
from blsh_trainer.files import written_for

HOST: Final = "host"
"""The name of this board, for options that take a board's name."""

SLOT_BYTES: Final = 1 << 20
"""The size of each model slot in a HostBoard's storage."""

COMPILER: Final = "gcc"
SANITIZERS: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
COVERAGE: Final = ("--coverage", "-O0", "-fprofile-update=atomic")
"""Options for counters. -O0 overrules the -O2 before it, so that branches are counted as the source has them."""

_INCLUDES: Final = tuple(f"-Ifirmware/{folder}" for folder in ("core", "app", "host", "hal", "generated"))
_NO_MODEL = "no generated model in {}; make one first: blsh generate MODEL.npz"


@dataclass(frozen=True)
class HostImage:
    """A program for HostBoard. build_id: the 32-bit number that it reports in HELLO."""

    program: Path
    build_id: int


def build_host(
    generated: Path | None = None,
    *,
    sanitize: bool = False,
    coverage: Path | None = None,
    root: Path | None = None,
) -> HostImage:
    """Compile the firmware and the model in `generated` (firmware/generated) for this machine.

    sanitize: with the address and undefined-behaviour sanitizers. coverage: builds a program that counts what it
    executes, in this folder (see blsh_hil.prove.coverage). The program is kept under build/host/ by a digest of all
    that goes into it, so nothing is compiled twice. Raises BlshError if there is no model or compiler, or if the
    compiler fails.
    """
    root = root or project_root()
    firmware = root / "firmware"
    generated = generated or firmware / "generated"
    if not (generated / "blsh_model.c").is_file():
        raise BlshError(_NO_MODEL.format(generated))
    if shutil.which(COMPILER) is None:
        raise BlshError(f"{COMPILER} is missing; install the Debian package gcc (or `make setup`)")
    sources = _sources(firmware, generated, coverage is not None)
    options = ["-std=c11", "-O2", "-DBLSH_SLOTS", *C_WARNINGS, *(SANITIZERS if sanitize else ())]
    options += COVERAGE if coverage is not None else ()
    version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(" ".join([version, *options, *_INCLUDES, sources.sha256]).encode()).digest()
    build_id = int.from_bytes(digest[:4], "little")
    program = (coverage or root / "build" / "host") / digest.hex()[:16] / "blsh-host"
    if not program.is_file():
        # gcov looks for its notes beside its counters; the folder of the compilation is removed
        options += ["-dumpdir", f"{program.parent}/"] if coverage is not None else []
        _compile([*options, f"-DBLSH_BUILD_ID=0x{build_id:08x}u", *_INCLUDES], sources, program)
    return HostImage(program, build_id)


def _sources(firmware: Path, generated: Path, covered: bool) -> Snapshot:
    """Return all sources under the paths that they have in a checkout, whatever folder `generated` is."""
    paths = [path for folder in ("core", "app", "host", "hal") for path in (firmware / folder).glob("*.[ch]")]
    paths += (firmware / "core" / "arch").glob("*.h")
    if covered:
        paths.append(firmware / "host" / "coverage" / "dump_on_signal.c")
    made = Snapshot.of(generated, generated.glob("*.[ch]")).below("firmware/generated")
    protocol = Snapshot({f"firmware/generated/{protocol_header.HEADER_NAME}": protocol_header.render().encode()})
    return Snapshot.of(firmware.parent, paths) | made | protocol


def _compile(options: list[str], sources: Snapshot, output: Path) -> None:
    """Compile a copy of `sources`: no other program changes it meanwhile, and its file names suit every compiler.

    Another process may do the same at the same time. The program appears whole, and executable.
    """
    names = sorted(name for name in sources.files if _is_compiled(name))
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        with written_for(output, Path(folder)):
            sources.write(Path(folder))
        command = [COMPILER, *options, *names, "-o", output.name]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise BlshError(f"the firmware does not build for this machine:\n{done.stderr[-4000:]}")
        Path(folder, output.name).replace(output)


def _is_compiled(name: str) -> bool:
    return name.endswith(".c") and not name.startswith("firmware/hal/")


class HostBoard(ChildBoard):
    """The firmware as a process. It runs while the `with` block does, and is gone afterwards.

    storage: the file of the model slots, made erased if it is missing; None for no slots. cut_after: the write to
    `storage`, counted from 1, in the middle of which the power fails. cut_seed: decides what that write leaves.
    The process also dies with the thread that started it, even if that is killed.
    """

    def __init__(
        self, image: HostImage, storage: Path | None = None, *, cut_after: int | None = None, cut_seed: int = 0
    ) -> None:
        super().__init__()
        self.name = HOST
        self.image = image
        self.storage = storage
        self._cut = {} if cut_after is None else {"BLSH_HOST_CUT_AFTER": cut_after, "BLSH_HOST_CUT_SEED": cut_seed}

    def _start(self, output: IO[bytes], _cleanup: ExitStack) -> tuple[str, subprocess.Popen[bytes]]:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("BLSH_HOST_")}
        environment |= {name: str(value) for name, value in self._cut.items()}
        if self.storage is not None:
            if not self.storage.exists():
                self.storage.write_bytes(b"\xff" * (2 * SLOT_BYTES))
            environment["BLSH_HOST_STORAGE"] = str(self.storage)
        # The port listens before the process starts, so that no other program can take the port meanwhile.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            environment |= {"BLSH_HOST_LISTEN_FD": str(listener.fileno()), "BLSH_HOST_PARENT": str(os.getpid())}
            process = subprocess.Popen(
                [str(self.image.program)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C must reach this program alone, which then ends the process in order
            )
            return f"socket://127.0.0.1:{listener.getsockname()[1]}", process

    def _ended(self) -> BlshError:
        code = self.process.poll()
        return BlshError(f"{self.image.program} ended with {code}; it wrote: {self.stderr_tail() or '(nothing)'}")
