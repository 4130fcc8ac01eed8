# SPDX-License-Identifier: Apache-2.0
"""Design the FIR filter of pdm.c and print its table: python examples/audio/pdm_taps.py > examples/audio/pdm_taps.h

It works at four times the output's rate, behind the CIC filter. It lifts what the CIC lowers up to the end of the pass
band, and stops what would fold back below it when every fourth sample is kept.
"""

import numpy as np
from scipy import signal

RATE = 64_000  # of the FIR's input, for an output of 16 kHz
ORDER, CIC_RATIO = 5, 16  # of the CIC; a ratio of 32 has the same droop, but for 0.002 dB
TAPS, FRACTION_BITS = 127, 16
PASS_END, STOP_BEGIN = 7_000, 9_000  # Hz
STOP_WEIGHT = 10  # an error in the stop band counts as much as ten in the pass band
PIECES = 40  # of the pass band, in each of which the wanted response is a line


def cic_response(frequency: np.ndarray) -> np.ndarray:
    """Return the CIC's gain at frequencies in Hz: (sin(R x) / (R sin x))^N with x = pi f / (R * RATE)."""
    x = np.pi * np.maximum(np.asarray(frequency, float), 1e-3) / (CIC_RATIO * RATE)
    return np.abs(np.sin(CIC_RATIO * x) / (CIC_RATIO * np.sin(x))) ** ORDER


def design() -> np.ndarray:
    """Return the taps, int [TAPS], in 2^-FRACTION_BITS; least squares, so that no iteration has to converge."""
    edges = np.linspace(0, PASS_END, PIECES + 1)
    bands = np.column_stack([edges[:-1], edges[1:]])
    taps = signal.firls(
        TAPS,
        [*bands.ravel(), STOP_BEGIN, RATE / 2],
        [*(1 / cic_response(bands)).ravel(), 0, 0],
        weight=[1] * PIECES + [STOP_WEIGHT],
        fs=RATE,
    )
    return np.round(taps * 2**FRACTION_BITS).astype(int)


def table() -> str:
    """Return the header pdm_taps.h."""
    rows = [", ".join(map(str, row)) + "," for row in np.array_split(design(), range(10, TAPS, 10))]
    lines = "\n".join(f"    {row}" for row in rows)
    return f"""// SPDX-License-Identifier: Apache-2.0
/* GENERATED - do not edit; rewrite with: python examples/audio/pdm_taps.py > examples/audio/pdm_taps.h */
#ifndef PDM_TAPS_H
#define PDM_TAPS_H

#include <stdint.h>

#define PDM_TAPS          {TAPS}u
#define PDM_FRACTION_BITS {FRACTION_BITS}u

// clang-format off
static const int16_t pdm_taps[PDM_TAPS] = {{
{lines}
}};
// clang-format on

#endif
"""


if __name__ == "__main__":
    print(table(), end="")
