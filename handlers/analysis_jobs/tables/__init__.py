"""Rows of pydantic models as CSV files and Excel workbooks."""
