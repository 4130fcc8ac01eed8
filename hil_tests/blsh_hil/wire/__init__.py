"""Bytes on the serial line: frames, messages and the protocol."""
