"""Quality of a denoised signal."""

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import check_signal
from blsh_trainer.errors import BlshError


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019, eqs. 3-5).

    10 log10(|a s|^2 / |a s - e|^2) with a = <e, s> / |s|^2: s is scaled to the estimate e, (n,) each. The
    means are not removed. +inf for a scaled copy of s; -inf for a silent or orthogonal estimate. BlshError
    for a silent reference, different lengths or non-finite samples.
    """
    s = check_signal(reference, "the reference")
    e = check_signal(estimate, "the estimate")
    if s.size != e.size:
        raise BlshError(f"the estimate has {e.size} samples, the reference {s.size}; give signals of one length")
    energy = float(s @ s)
    if energy == 0.0:
        raise BlshError("the reference is silent, so SI-SDR is undefined; give a reference with sound")
    target = (float(e @ s) / energy) * s
    distortion = e - target
    wanted = float(target @ target)
    unwanted = float(distortion @ distortion)
    if wanted == 0.0:
        return float("-inf")
    if unwanted == 0.0:
        return float("inf")
    return float(10.0 * np.log10(wanted / unwanted))
