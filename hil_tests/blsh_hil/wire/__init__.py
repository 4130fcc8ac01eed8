# SPDX-License-Identifier: Apache-2.0
"""Bytes on the serial line: frames, messages and the protocol."""
