# SPDX-License-Identifier: Apache-2.0
"""A project in a folder: blsh.toml says what is wanted, and each output is made from what it depends on."""
