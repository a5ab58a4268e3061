"""Catalogues of sources from services of the Virtual Observatory."""
