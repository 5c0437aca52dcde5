"""The `analysis-jobs` command line. It calls the HTTP API; the `prompts` commands use DynamoDB directly."""
