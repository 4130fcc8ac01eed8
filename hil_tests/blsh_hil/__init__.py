# SPDX-License-Identifier: Apache-2.0
"""The link to a board: framing, protocol, virtual boards, and the suite that proves it bit for bit."""
