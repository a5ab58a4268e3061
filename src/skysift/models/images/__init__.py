"""Models of survey cutouts."""
