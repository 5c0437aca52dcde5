"""Reads Word files: a walk over the XML that finds what Word shows."""
