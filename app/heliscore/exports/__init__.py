"""Makes files of what an export reads, piece by piece, in any of its formats."""
