"""The command line of the API, and the one HTTP client that it, the tools and the tests call the API with."""
