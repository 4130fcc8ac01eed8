# SPDX-License-Identifier: Apache-2.0
"""Networks to compare with: the paper's (section IV-C, Table I), an optional extra, and one of a look-up's cost.

FC and BiLSTM networks estimate the IBM from STFT magnitudes; Conv-TasNet (Luo and Mesgarani, 2019) maps samples to
samples; they need PyTorch, of the extra `baselines`. The dense network needs what `blsh train` needs.
"""
