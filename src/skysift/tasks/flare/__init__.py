"""Flares from active regions: probabilities for the next day."""
