"""Accepts jobs, and cancels or retries them."""
