"""How good a classifier is: efficiencies, calibration, counts statistics, each with an interval."""
