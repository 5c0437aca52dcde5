"""Reads text, and kinds of files that are text."""
