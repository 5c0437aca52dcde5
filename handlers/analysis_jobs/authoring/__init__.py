"""What a team writes an analysis with."""
