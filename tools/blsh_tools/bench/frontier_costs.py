"""What the models of `blsh experiment frontier` take in the firmware: instructions on three cores, RAM and stack."""

from collections.abc import Callable

from blsh_codegen.cost.estimate import estimate
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_firmware.measure.bench_inputs import noisy_speech
from blsh_hil.boards.table import find_board
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments.settings import FirmwareCost
from blsh_trainer.model.artifact import Model

BOARDS = {"M0": "microbit", "M4": "mps2-an386", "M55": "mps3-an547"}
_RAM_OF = "M4"
_HOPS = 96


def firmware_costs(corpus: Corpus) -> Callable[[Model, bool], FirmwareCost]:
    """What tells the costs of a model while it denoises noisy speech of the corpus' test split.

    It takes the model, and whether its entries are put into the order of the search.
    """
    samples, costs = noisy_speech(corpus, _HOPS), load_costs()

    def cost(model: Model, ordered: bool) -> FirmwareCost:
        integers = integer_model(model, GenerateOptions(layout="tight" if ordered else "plain"))
        found = {
            name: estimate(integers, costs.core(find_board(board).core), costs.board(board), samples)
            for name, board in BOARDS.items()
        }
        millions = {name: round(each.millions_per_second, 2) for name, each in found.items()}
        ram = found[_RAM_OF].ram_bytes + found[_RAM_OF].stack_bytes
        return FirmwareCost(millions, ram, BOARDS[_RAM_OF])

    return cost
