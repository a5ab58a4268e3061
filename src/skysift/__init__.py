"""skysift separates signal from background in sky data."""

__version__ = "0.1.0.dev0"
