"""Calls the HTTP API of a deployment."""
