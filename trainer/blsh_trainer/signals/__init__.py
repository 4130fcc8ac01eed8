# SPDX-License-Identifier: Apache-2.0
"""Recordings as samples, their spectra and features, and the masks laid over them."""
