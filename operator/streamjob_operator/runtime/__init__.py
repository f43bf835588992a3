"""Small parts of the running process: clock, wake-ups, back-off, metrics, logs."""
