# SPDX-License-Identifier: Apache-2.0
"""The networks in PyTorch. Import this module only in functions that have called require_torch."""

import torch
from torch import nn
from torch.nn import functional

from blsh_trainer.baselines.architecture import CONV_TASNET, FC, Architecture
from blsh_trainer.signals.spectra import BINS

FILTERS = 512  # N: the sizes that the Conv-TasNet paper found best (its table II)
FILTER_TAPS = 16  # L
BOTTLENECK = 128  # B = Sc
CHANNELS = 512  # H
TAPS = 3  # P
SOURCES = 2  # C: speech and noise
STRIDE = FILTER_TAPS // 2


def build(chosen: Architecture, seed: int = 0) -> nn.Module:
    """Return the network with initial weights drawn from `seed`, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if chosen.kind == CONV_TASNET:
            return ConvTasNet(chosen.layers, chosen.units)
        return Fc(chosen.layers, chosen.units) if chosen.kind == FC else BiLstm(chosen.layers, chosen.units)


def parameter_count(network: nn.Module) -> int:
    """Return the number of parameters that a device must keep; batch norms fold into the layers before them."""
    folded = {id(p) for part in network.modules() if isinstance(part, nn.BatchNorm1d) for p in part.parameters()}
    return sum(int(p.numel()) for p in network.parameters() if id(p) not in folded)


class _Level(nn.Module):
    """A division by the RMS of the training magnitudes, a single number that folds into the next layer.

    The customary standardisation of each bin blows up unseen noise in quiet bins to values that training never had: a
    small network then gains 4.6 dB on the valid split instead of 6.2 dB.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rms", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / self.rms


class Fc(nn.Module):
    """Hidden layers of linear map, batch norm and ReLU; magnitudes (B, 513) to logits of the IBM (B, 513)."""

    def __init__(self, layers: int, units: int) -> None:
        super().__init__()
        self.level = _Level()
        parts: list[nn.Module] = []
        for layer in range(layers):
            parts += [nn.Linear(units if layer else BINS, units), nn.BatchNorm1d(units), nn.ReLU()]
        self.hidden = nn.Sequential(*parts)
        self.output = nn.Linear(units, BINS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.hidden(self.level(x)))


class BiLstm(nn.Module):
    """Bidirectional LSTM layers; magnitudes (B, T, 513) to logits of the IBM (B, T, 513)."""

    def __init__(self, layers: int, units: int) -> None:
        super().__init__()
        self.level = _Level()
        self.recurrent = nn.LSTM(BINS, units, layers, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * units, BINS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.recurrent(self.level(x))[0])


class ConvTasNet(nn.Module):
    """Conv-TasNet, not causal, global layer norm; samples (B, n) to speech and noise (B, 2, n).

    A learned filter bank, masks from `repeats` stacks of `blocks` dilated convolutions, and its inverse.
    """

    def __init__(self, repeats: int, blocks: int) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, FILTERS, FILTER_TAPS, STRIDE, bias=False)
        self.norm = _global_norm(FILTERS)
        self.bottleneck = nn.Conv1d(FILTERS, BOTTLENECK, 1)
        dilations = [2**block for _ in range(repeats) for block in range(blocks)]
        last = len(dilations) - 1
        self.blocks = nn.ModuleList(_Block(dilation, number < last) for number, dilation in enumerate(dilations))
        self.gate = nn.PReLU()
        self.masks = nn.Conv1d(BOTTLENECK, SOURCES * FILTERS, 1)
        self.decoder = nn.ConvTranspose1d(FILTERS, 1, FILTER_TAPS, STRIDE, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, samples = x.shape
        # Half a filter of zeros before, and enough behind, so that every sample lies under two filters.
        behind = STRIDE + -samples % STRIDE
        heard = self.encoder(functional.pad(x, (STRIDE, behind))[:, None])
        flow = self.bottleneck(self.norm(heard))
        total = torch.zeros_like(flow)
        for block in self.blocks:
            flow, skip = block(flow)
            total = total + skip
        masks = torch.sigmoid(self.masks(self.gate(total))).view(batch, SOURCES, FILTERS, -1)
        sources = (masks * heard[:, None]).flatten(0, 1)
        return self.decoder(sources)[:, 0, STRIDE : STRIDE + samples].view(batch, SOURCES, samples)


class _Block(nn.Module):
    """A 1 x 1 convolution, a dilated convolution of each channel on its own, and two outputs.

    One output goes on to the next block, the other skips to the end; the last block has only the second.
    """

    def __init__(self, dilation: int, goes_on: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(BOTTLENECK, CHANNELS, 1),
            nn.PReLU(),
            _global_norm(CHANNELS),
            nn.Conv1d(CHANNELS, CHANNELS, TAPS, padding=dilation, dilation=dilation, groups=CHANNELS),
            nn.PReLU(),
            _global_norm(CHANNELS),
        )
        self.onward = nn.Conv1d(CHANNELS, BOTTLENECK, 1) if goes_on else None
        self.skip = nn.Conv1d(CHANNELS, BOTTLENECK, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inner = self.body(x)
        return (x if self.onward is None else x + self.onward(inner)), self.skip(inner)


def _global_norm(channels: int) -> nn.Module:
    """Normalise over channels and time together."""
    return nn.GroupNorm(1, channels, eps=1e-8)
