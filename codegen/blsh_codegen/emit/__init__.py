# SPDX-License-Identifier: Apache-2.0
"""Write a model out: as C, as an image to push, as a library to embed."""
