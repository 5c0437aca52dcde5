"""The client of the API, as the demo and the system tests name it."""

from analysis_jobs.client.http import ApiError, Client

__all__ = ["ApiError", "Client"]
