"""PostgreSQL for an analysis."""
