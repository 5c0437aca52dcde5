"""What every room may use: clock, settings, secrets, errors, logs and cancellation."""
