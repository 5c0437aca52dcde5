"""The container of Office files, and presentations."""
