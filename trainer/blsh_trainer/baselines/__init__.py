# SPDX-License-Identifier: Apache-2.0
"""The paper's neural baselines (section IV-C, Table I), an optional extra: pip install '.[baselines]'.

FC and BiLSTM networks estimate the IBM from STFT magnitudes; Conv-TasNet (Luo and Mesgarani, 2019) maps samples to
samples. Only this subpackage needs PyTorch.
"""
