"""The model port, its vendors, and what their calls cost."""
