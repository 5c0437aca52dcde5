"""Reads PDF files: the text layer, what is drawn, forms and annotations."""
