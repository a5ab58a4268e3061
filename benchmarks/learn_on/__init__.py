"""Learning curves of models that go on, against training from scratch on the same new rows."""
