# SPDX-License-Identifier: Apache-2.0
"""Talk to a board: the port, retries, the client and its stream of hops."""
