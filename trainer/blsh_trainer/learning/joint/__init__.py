# SPDX-License-Identifier: Apache-2.0
"""The joint learner: every table of a voting model is learned together, by gradients."""
