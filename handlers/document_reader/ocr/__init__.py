"""Reads pictures of text."""
