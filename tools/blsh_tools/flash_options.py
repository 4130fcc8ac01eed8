"""How to flash a board, as the command line says it; apart from the doing, so that `blsh --help` is quick."""

from dataclasses import dataclass

from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class FlashTimeouts:
    """Seconds on the monotonic clock. flash: for the upload. boot: from its end to the first HELLO_REPLY.

    What is asked after that has the time-outs of the client.
    """

    flash: float = 120.0
    boot: float = 10.0


@dataclass(frozen=True)
class FlashOptions:
    """How to flash: as the command line says. None: as boards.toml and what is attached say."""

    port: str | None = None
    probe: str | None = None
    method: str | None = None
    timeouts: FlashTimeouts = FlashTimeouts()

    def check(self) -> None:
        """Raises BlshError for a time-out that is none."""
        for name, seconds in (("flash", self.timeouts.flash), ("boot", self.timeouts.boot)):
            if not 0 < seconds < float("inf"):
                raise BlshError(f"--{name}-timeout {seconds:g}; expected seconds above 0")
