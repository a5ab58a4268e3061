"""Predict for ever: from a source through a crash-safe spool to a sink, nothing lost or doubled."""
