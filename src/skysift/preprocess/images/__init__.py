"""Representations of cutouts: normalisations, seeing-matched scales, shapes."""
