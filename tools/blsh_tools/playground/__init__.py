# SPDX-License-Identifier: Apache-2.0
"""Build the playground: one static page with the firmware's core as WebAssembly."""
