"""gamma-hadron: gamma rays from hadrons by the image parameters of a Cherenkov telescope."""
