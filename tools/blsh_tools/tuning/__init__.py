# SPDX-License-Identifier: Apache-2.0
"""Tune a project's model by ear: a page plays one recording with different settings and writes the chosen ones."""
