"""Reads Excel files: the text that each cell shows."""
