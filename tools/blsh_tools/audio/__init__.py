# SPDX-License-Identifier: Apache-2.0
"""The way of sound: from recordings and microphones, through the engines, into WAV files and loudspeakers."""
