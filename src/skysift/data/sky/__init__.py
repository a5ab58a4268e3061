"""Photons on the sky: event lists, good time intervals, tangent-plane grids, counts maps."""
