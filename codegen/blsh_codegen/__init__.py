# SPDX-License-Identifier: Apache-2.0
"""The integer world: quantising, the bit-exact reference, dictionary packing and the generated C."""
