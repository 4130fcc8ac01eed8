"""The link to a board: framing, protocol, virtual boards, and the suite that proves it bit for bit."""
