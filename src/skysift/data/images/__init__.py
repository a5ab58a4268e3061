"""Cutouts of survey images: readers of stamps and alerts, cutting by WCS, selection, groups."""
