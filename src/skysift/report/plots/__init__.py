"""Figures: Axes in, Axes out."""
