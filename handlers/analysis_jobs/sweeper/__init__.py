"""Moves every overdue job to its next state."""
