# SPDX-License-Identifier: Apache-2.0
"""One module for each command of `blsh`: it parses the options, calls the work and shows the result."""
