"""Erases jobs with everything that belongs to them, and exports them. Operators use it; no function imports it."""
