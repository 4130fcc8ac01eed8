# SPDX-License-Identifier: Apache-2.0
"""The figures of the paper's tables I to III, to stand beside ours: SDR in dB, SI-SDR in dB, PESQ, ESTOI in %."""

Figures = tuple[float, float, float, float]

TABLE1: dict[tuple[str, str, float], Figures] = {
    ("mixture", "", 0.0): (0.07, 0.00, 1.51, 81.97),
    ("ibm", "", 0.0): (20.38, 19.98, 2.93, 94.58),
    ("knn", "stft", 0.1): (9.77, 8.76, 1.80, 73.74),
    ("knn", "mel", 0.1): (9.61, 8.12, 1.73, 74.60),
    ("knn", "stft", 0.01): (8.65, 7.58, 1.76, 71.38),
    ("knn", "mel", 0.01): (8.36, 6.85, 1.66, 71.20),
    ("lsh", "stft", 0.1): (8.97, 7.96, 1.79, 72.50),
    ("lsh", "mel", 0.1): (9.23, 7.72, 1.73, 73.60),
    ("lsh", "stft", 0.01): (7.95, 6.90, 1.76, 71.24),
    ("lsh", "mel", 0.01): (8.25, 6.71, 1.68, 71.20),
    ("blsh", "stft", 0.1): (10.18, 9.10, 1.81, 74.98),
    ("blsh", "mel", 0.1): (9.47, 7.84, 1.84, 76.58),
    ("blsh", "stft", 0.01): (9.31, 8.15, 1.73, 72.56),
    ("blsh", "mel", 0.01): (8.92, 7.25, 1.80, 75.78),
}
"""Figures by system, features and rho, at 0 dB."""

NETWORKS: dict[str, Figures] = {
    "fc-3x1024": (13.10, 12.34, 1.64, 82.32),
    "fc-3x256": (12.92, 12.08, 1.74, 82.10),
    "fc-3x64": (12.19, 11.28, 1.55, 80.40),
    "fc-3x32": (11.74, 10.51, 1.59, 79.64),
    "fc-2x1024": (10.29, 9.85, 1.68, 78.46),
    "fc-2x256": (10.25, 9.71, 1.59, 77.06),
    "fc-2x64": (10.01, 9.35, 1.53, 74.53),
    "fc-2x32": (9.89, 9.07, 1.48, 74.18),
    "bilstm-2x1024": (14.74, 14.24, 1.87, 86.74),
    "bilstm-2x256": (14.18, 13.62, 1.86, 85.79),
    "bilstm-2x64": (13.50, 12.91, 1.83, 84.69),
    "bilstm-2x32": (13.06, 12.21, 1.81, 82.89),
    "conv-tasnet-3x8": (18.48, 18.19, 2.45, 92.47),
}
"""Figures of Table I's networks, by the names in `blsh_trainer.baselines`."""

TABLE2: dict[tuple[float, str, float], Figures] = {
    (-5.0, "", 0.0): (-4.85, -5.00, 1.29, 72.12),
    (-5.0, "stft", 0.1): (6.30, 5.20, 1.47, 62.03),
    (-5.0, "mel", 0.1): (6.42, 4.97, 1.53, 66.86),
    (-5.0, "stft", 0.01): (5.70, 4.48, 1.51, 61.14),
    (-5.0, "mel", 0.01): (5.84, 4.40, 1.48, 65.69),
    (5.0, "", 0.0): (5.05, 5.00, 1.81, 88.87),
    (5.0, "stft", 0.1): (13.23, 12.16, 2.16, 83.70),
    (5.0, "mel", 0.1): (11.66, 9.84, 2.14, 82.57),
    (5.0, "stft", 0.01): (12.38, 11.15, 2.16, 82.03),
    (5.0, "mel", 0.01): (11.27, 9.37, 2.10, 82.18),
    (10.0, "", 0.0): (10.04, 10.00, 2.22, 93.61),
    (10.0, "stft", 0.1): (15.50, 14.40, 2.56, 88.47),
    (10.0, "mel", 0.1): (13.21, 11.25, 2.49, 86.04),
    (10.0, "stft", 0.01): (14.57, 13.25, 2.56, 87.23),
    (10.0, "mel", 0.01): (12.84, 10.73, 2.48, 85.87),
}
"""Figures of BLSH by SNR, features and rho; those of the mixture have no features."""

TABLE3: dict[tuple[str, float], Figures] = {
    ("", 0.0): (9.32, 8.58, 1.99, 87.91),
    ("stft", 0.1): (8.67, 8.83, 1.81, 76.43),
    ("mel", 0.1): (7.36, 7.61, 1.89, 75.96),
    ("stft", 0.01): (8.06, 8.24, 1.86, 75.88),
    ("mel", 0.01): (6.75, 6.99, 1.89, 75.30),
}
"""Figures of BLSH on VoiceBank-DEMAND by features and rho; those of the mixture have no features."""


def cells(figures: Figures | None) -> list[str]:
    """Return the four figures as cells of a table, empty ones for None."""
    return [""] * 4 if figures is None else [f"{value:.2f}" for value in figures]
