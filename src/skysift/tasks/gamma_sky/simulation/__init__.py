"""Simulated fields of the gamma-ray sky: expectations, maps, photon lists, and their truth."""
