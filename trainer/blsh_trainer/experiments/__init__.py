# SPDX-License-Identifier: Apache-2.0
"""The paper's tables and figures on any corpus, the trainer's bars, quality per byte, and a dense network."""
