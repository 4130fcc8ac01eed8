"""The float world: corpora, spectra, projections, search, denoising, metrics and the model artifact."""
