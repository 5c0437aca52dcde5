"""The client of the API, for the demo and the system tests."""

from analysis_jobs.cli.client import ApiError, Client

__all__ = ["ApiError", "Client"]
