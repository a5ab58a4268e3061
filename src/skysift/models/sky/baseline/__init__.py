"""The published networks on counts maps, CNN-cleaner and CNN-regressor, as they were and corrected.

They are the baseline that other methods are measured against.
"""
