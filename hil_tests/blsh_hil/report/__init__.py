# SPDX-License-Identifier: Apache-2.0
"""Record the findings of the suite, and show them as a page."""
