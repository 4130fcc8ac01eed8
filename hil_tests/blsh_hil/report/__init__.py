# SPDX-License-Identifier: Apache-2.0
"""Record what the suite found, and show it as a page."""
