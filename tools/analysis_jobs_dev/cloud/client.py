"""The client of the API, for the demo and the system tests."""

from analysis_jobs.client.http import ApiError, Client

__all__ = ["ApiError", "Client"]
