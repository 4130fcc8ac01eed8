"""The trained model: its file, its projection, its decoder and its smaller versions."""
