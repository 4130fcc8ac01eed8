# SPDX-License-Identifier: Apache-2.0
"""Download and unpack openly licensed corpora."""
