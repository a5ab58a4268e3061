"""Tables and images: in-memory types, readers, writers, the data registry and splits."""
