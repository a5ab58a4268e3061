"""Finding and measuring sources on counts maps: filters, likelihood, networks."""
