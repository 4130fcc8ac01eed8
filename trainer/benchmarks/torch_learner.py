# SPDX-License-Identifier: Apache-2.0
"""The paper's learner in plain PyTorch, as the paper describes it, with which `make bench-train` compares ours.

Each bit is a linear layer and a sign, whose derivative is taken as that of tanh (eq. 6). Autograd and Adam minimise the
weighted error (eq. 12) in `passes` passes over minibatches, each a segment of 1 000 frames. Then eqs. 13 and 11 weight
the bit and the pairs of frames; the pairs' weights are kept as one matrix for each segment.

The squared error D = (S~ - S)^2 is written as S^2 + S~ (1 - 2 S). The two are equal, because S~ is 0 or 1, but autograd
finds other gradients. Those of the square also pull each bit towards its own opposite, and the learner hardly learns:
its errors stayed at 0.42, while those of this form reached 0.25.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(z)
        return torch.where(z >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (z,) = ctx.saved_tensors
        return gradients[0] * (1 - torch.tanh(z) ** 2)


def fit(
    H: NDArray[np.float32],
    bits: int,
    passes: int = 100,
    segment: int = 1000,
    rate: float = 0.05,
    seed: int = 0,
    tell: Callable[[int, float], None] | None = None,
) -> Vectors:
    """Return v = [P, b] (bits, D + 1), learned from H (T, D). tell(bit, seconds since the start) after each bit."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.from_numpy(H)[torch.randperm(len(H), generator=generator)]
    segments = [part for part in torch.split(shuffled, segment) if len(part) > 1]
    targets = [torch.clip(part @ part.T, 0, 1) for part in segments]
    weights = [torch.full_like(S, 1 / S.numel()) for S in targets]
    vectors, begun = [], time.perf_counter()
    for bit in range(bits):
        P = (torch.randn(H.shape[1], generator=generator) / H.shape[1] ** 0.5).requires_grad_()
        bias = (-(shuffled.mean(dim=0) @ P)).detach().requires_grad_()
        optimiser = torch.optim.Adam([P, bias], lr=rate)
        for _ in range(passes):
            for index in torch.randperm(len(segments), generator=generator).tolist():
                optimiser.zero_grad()
                b = _Sign.apply(segments[index] @ P + bias)
                loss = (weights[index] * _divergence(b, targets[index])).sum()
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            errors = []
            for part, S in zip(segments, targets, strict=True):
                b = _Sign.apply(part @ P + bias)
                errors.append(_divergence(b, S))
            epsilon = sum(float((W * D).sum()) for W, D in zip(weights, errors, strict=True)) / len(segments)
            beta = np.log((1 - epsilon) / epsilon)
            for W, D in zip(weights, errors, strict=True):
                W *= torch.exp(beta * D)
                W /= W.sum()
        vectors.append(np.append(P.detach().numpy(), bias.detach().numpy()).astype(np.float64))
        if tell is not None:
            tell(bit, time.perf_counter() - begun)
    return np.array(vectors)


def _divergence(b: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
    """Return D (n, n) of bits b (n,) and targets S (n, n)."""
    like = (torch.outer(b, b) + 1) / 2
    return S**2 + like * (1 - 2 * S)
