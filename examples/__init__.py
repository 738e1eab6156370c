"""Programs to run and to copy from; each one says at its head how to start it."""
