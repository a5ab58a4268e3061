"""Errors, configuration, the registry of tasks, bundles and provenance."""
