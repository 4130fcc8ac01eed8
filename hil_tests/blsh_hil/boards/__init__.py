# SPDX-License-Identifier: Apache-2.0
"""The boards: their table, the files written from it, and boards that run here."""
