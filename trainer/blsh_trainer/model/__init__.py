# SPDX-License-Identifier: Apache-2.0
"""The trained model: its file, its projection, its decoder and its smaller versions."""
