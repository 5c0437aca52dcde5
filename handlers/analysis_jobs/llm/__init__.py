"""The port to models, its implementations for Bedrock and Gemini, and the prices of model calls."""
