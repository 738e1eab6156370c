"""Programs to run and to copy from; the docstring of each says how to start it."""
