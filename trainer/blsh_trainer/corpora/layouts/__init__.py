# SPDX-License-Identifier: Apache-2.0
"""The layouts in which corpora come: one module for each, and the table that recognises them."""
