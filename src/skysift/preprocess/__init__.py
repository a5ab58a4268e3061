"""What is done to data before a model sees it: binning, backgrounds, kernels, stretches."""
