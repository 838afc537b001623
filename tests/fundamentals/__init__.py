"""A tutorial in tests: what ReTraced does, by its public API alone. Read them in order."""
