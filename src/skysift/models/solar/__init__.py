"""Models of the Sun: the networks published before, classical detection, learnt detection."""
