"""gamma-sky: from a photon list to a cleaned map and candidates with error ellipses."""
