"""Instrument responses: how many photons arrive, where they land, and what else does."""
