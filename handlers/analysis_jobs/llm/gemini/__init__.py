"""The model port on Google's Gemini API."""
