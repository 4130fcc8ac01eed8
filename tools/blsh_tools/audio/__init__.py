"""Recordings and sound devices, denoised in pieces."""
