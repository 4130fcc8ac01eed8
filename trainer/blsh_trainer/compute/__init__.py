# SPDX-License-Identifier: Apache-2.0
"""Search nearest neighbours, and spread work over threads, processes and machines."""
