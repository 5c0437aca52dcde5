"""The port to models, implemented with Amazon Bedrock."""
