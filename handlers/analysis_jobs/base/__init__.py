"""Code that every other package may import: clock, settings, secrets, errors, logs and cancellation."""
