"""Models: fit them, calibrate them, store and load them without code in the file."""
