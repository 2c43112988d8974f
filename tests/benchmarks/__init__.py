"""Benchmarks as data: a function each, which returns rows that ``python -m tests.benchmarks`` prints."""
