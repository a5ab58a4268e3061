"""The reports of active-region, drawn from what a run stored: nothing is measured here."""
