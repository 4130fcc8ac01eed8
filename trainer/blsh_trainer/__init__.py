# SPDX-License-Identifier: Apache-2.0
"""The float world: corpora, spectra, projections, search, denoising, metrics and the model artifact."""
