# SPDX-License-Identifier: Apache-2.0
"""Do something to a board: flash it, push a model to it, keep a virtual one running."""
