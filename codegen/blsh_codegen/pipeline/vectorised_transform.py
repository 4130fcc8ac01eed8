# SPDX-License-Identifier: Apache-2.0
"""Compute the transforms of `reference` for many frames at once, with numpy (SPEC.md, 4.2, 4.3 and 6.1)."""

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import RADICES, digit_reversed, sine_q14

Ints = npt.NDArray[np.int64]
Pair = tuple[Ints, Ints]

_SINE = sine_q14().astype(np.int64)
_TURN = len(_SINE)  # steps of a whole turn
_ORDERS = {points: np.array([digit_reversed(i, points) for i in range(points)]) for points in RADICES}


def mul_q16(value: Ints, factor: Ints | int) -> Ints:
    """Return floor(value * factor / 2**16) of each value, as `constants.mul_q16` does."""
    return value * factor >> 16


def _turn(value: Pair, index: Ints, sign: int) -> Pair:
    """Return value * exp(-sign 2 pi j index / 1024) / 4, each product floored as in the reference."""
    cos, sin = _SINE[index + 256 & 1023], _SINE[index]
    re, im = value
    if sign > 0:
        return mul_q16(re, cos) + mul_q16(im, sin), mul_q16(im, cos) - mul_q16(re, sin)
    return mul_q16(re, cos) - mul_q16(im, sin), mul_q16(im, cos) + mul_q16(re, sin)


def _butterfly4(a: Pair, b: Pair, c: Pair, d: Pair) -> list[Pair]:
    s0, s1 = (a[0] + c[0], a[1] + c[1]), (a[0] - c[0], a[1] - c[1])
    s2, s3 = (b[0] + d[0], b[1] + d[1]), (b[0] - d[0], b[1] - d[1])
    return [
        (s0[0] + s2[0], s0[1] + s2[1]),
        (s1[0] + s3[1], s1[1] - s3[0]),
        (s0[0] - s2[0], s0[1] - s2[1]),
        (s1[0] - s3[1], s1[1] + s3[0]),
    ]


def fft(re: Ints, im: Ints) -> Pair:
    """Return the DFT of rows of complex points, (T, 512, 256 or 128): `reference.fft` of each row."""
    count = re.shape[1]
    z = re[:, _ORDERS[count]], im[:, _ORDERS[count]]
    quarter = 1
    for radix in RADICES[count]:
        z = _stage(z, radix, quarter)
        quarter *= radix
    return z


def _stage(z: Pair, radix: int, quarter: int) -> Pair:
    """Return rows of points (T, P) after a stage; quarter: the product of the radices before it, 1 for the first."""
    rows, count = z[0].shape
    size = radix * quarter
    re, im = (part.reshape(rows, count // size, radix, quarter) for part in z)
    points: list[Pair] = [(re[:, :, r], im[:, :, r]) for r in range(radix)]
    if quarter > 1:
        k = np.arange(quarter) * (_TURN // size)
        first = points[0][0] >> 2, points[0][1] >> 2
        points = [first] + [_turn(points[r], r * k, 1) for r in range(1, radix)]
    if radix == 2:
        (ar, ai), (br, bi) = points
        out: list[Pair] = [(ar + br, ai + bi), (ar - br, ai - bi)]
    else:
        out = _butterfly4(*points)
    return (
        np.stack([part for part, _ in out], axis=2).reshape(rows, count),
        np.stack([part for _, part in out], axis=2).reshape(rows, count),
    )


def _split(re: Ints, im: Ints, mirror: Ints, sign: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the even and odd parts of the lower half of the bins: er, ei, tr, ti of SPEC.md, 4.3 and 6.1.

    mirror: (P / 2 + 1,), the index of the bin that belongs to each.
    """
    k = np.arange(len(mirror))
    ar, ai, br, bi = re[:, k], im[:, k], re[:, mirror], im[:, mirror]
    tr, ti = _turn((ar - br, ai + bi), k * (_TURN // 4 // (len(mirror) - 1)), sign)
    return ar + br >> 2, ai - bi >> 2, tr, ti


def real_spectrum(samples: Ints) -> Pair:
    """Return bins 0 to N / 2 of rows of N samples, (T, N): `reference.real_spectrum` for each row."""
    points = samples.shape[1] // 2
    k = np.arange(points // 2 + 1)
    er, ei, tr, ti = _split(*fft(samples[:, 0::2], samples[:, 1::2]), -k % points, 1)
    re, im = np.empty((2, samples.shape[0], points + 1), np.int64)
    re[:, k], im[:, k] = er + ti, ei - tr
    re[:, points - k], im[:, points - k] = er - ti, -(ei + tr)
    return re, im


def real_samples(re: Ints, im: Ints) -> Ints:
    """Return rows of N samples from bins 0 to N / 2: `reference.real_samples` of each row."""
    points = re.shape[1] - 1
    k = np.arange(points // 2 + 1)
    er, ei, tr, ti = _split(re, im, points - k, -1)
    zr, zi = np.empty((2, re.shape[0], points), np.int64)
    zr[:, k], zi[:, k] = er - ti, ei + tr
    zr[:, points - k[1:]], zi[:, points - k[1:]] = (er + ti)[:, 1:], (tr - ei)[:, 1:]
    out_im, out_re = fft(zi, zr)
    return np.stack([out_re, out_im], axis=2).reshape(-1, 2 * points)
