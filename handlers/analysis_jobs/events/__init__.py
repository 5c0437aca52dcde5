"""Publishes an event for every transition of a job."""
