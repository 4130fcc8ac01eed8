# SPDX-License-Identifier: Apache-2.0
"""Run the tests of blsh_suite on boards, and keep their findings."""
