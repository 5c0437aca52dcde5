"""The `analysis-jobs` command line. It calls the HTTP API; the `prompts` commands use DynamoDB directly.

It needs the extra `cli`. Without it, `__main__` says how to install it.
"""
