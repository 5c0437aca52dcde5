"""Runs jobs: claim, attempt, heartbeat, end."""
