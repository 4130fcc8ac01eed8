# SPDX-License-Identifier: Apache-2.0
"""Generate, build and identify firmware images."""
