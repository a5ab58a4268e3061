"""Photon lists as a stream: sliding windows, tracked sources, light curves."""
