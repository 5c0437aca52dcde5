"""A client of a deployment's HTTP API."""
