# SPDX-License-Identifier: Apache-2.0
"""The sound driver of an example on a model of its part, with the stream of examples/audio between DMA and hops."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

from blsh_codegen.project import project_root
from blsh_hil.boards.board import Board

from .register_model import Driver, Registers

AUDIO = project_root() / "examples" / "audio"


class SoundDriver(Driver):
    """The driver and what its program does.

    own: the folder of the example. extra, options: further sources, and options of the compiler. sizes: samples of a
    block of the DMA, and of a hop.
    """

    def __init__(
        self,
        board: Board | None,
        part: Registers,
        folder: Path,
        own: Path,
        extra: Sequence[Path],
        sizes: tuple[int, int],
        options: Sequence[str] = (),
    ) -> None:
        block, hop = sizes
        sources = [own / "sound.c", AUDIO / "audio_stream.c", *extra]
        super().__init__(board, part, folder, sources, [f"-I{own}", f"-I{AUDIO}", *options])
        self.audio = ctypes.create_string_buffer(1 << 15)
        self.hop = (ctypes.c_int16 * hop)()
        for function in ("audio_init", "audio_take_hop"):
            self._library[function].restype = ctypes.c_bool
        self._library.sound_start.restype = ctypes.c_char_p
        assert self._library.audio_init(self.audio, (ctypes.c_uint32 * 3)(block, hop, 0))

    def start_sound(self) -> str | None:
        """Set the part up and start it; return what the driver complains of."""
        self._run("sound_init")
        text: bytes | None = self._library.sound_start(self.audio)
        self._settle()
        return None if text is None else text.decode()

    def interrupt(self, name: str) -> None:
        """Run the interrupt `name`_irq."""
        self._run(f"{name}_irq")

    def main_loop(self) -> None:
        """Give back each hop that has come, as it is."""
        while self._library.audio_take_hop(self.audio, self.hop):
            self._library.audio_give_hop(self.audio, self.hop)

    def lag_and_latency(self) -> tuple[int, int]:
        """Return the lag of the output behind the input as the stream counts it, and its latency, in samples."""
        return int(self._library.audio_lag(self.audio)), int(self._library.audio_latency(self.audio))
