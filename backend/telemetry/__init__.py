"""Readings in, quality flags, queries."""
