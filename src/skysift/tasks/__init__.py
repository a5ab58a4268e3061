"""The tasks, one folder each; a task never imports another."""
