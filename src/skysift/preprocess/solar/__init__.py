"""The geometry and the photometry of the solar disk."""
