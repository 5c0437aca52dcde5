"""A PostgreSQL database for analyses: effects that happen once per job, and reads."""
