"""Implementations of the ports: DynamoDB, S3 and SQS on AWS, and stores in memory for tests."""
