"""Command line of settlement."""
