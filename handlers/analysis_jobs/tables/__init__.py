"""Writes rows of pydantic models as CSV files and Excel workbooks."""
