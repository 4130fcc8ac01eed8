# SPDX-License-Identifier: Apache-2.0
"""The paper's tables and figures on any corpus, the bars that the trainer has to clear, and quality per byte."""
