"""Rules for the fields that an analysis extracts."""
