"""Gives every overdue job its next step."""
