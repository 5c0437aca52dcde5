"""The port to models, implemented with Google's Gemini API."""
