# SPDX-License-Identifier: Apache-2.0
"""Score denoisers: metrics, the mixtures to score on, behaviours, the systems that are compared, and the peers."""
