# SPDX-License-Identifier: Apache-2.0
"""Build firmware images, and measure their costs."""
