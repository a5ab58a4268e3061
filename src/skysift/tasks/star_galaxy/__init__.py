"""star-galaxy: stars from galaxies by cutouts of survey images."""
