"""Demand-response events and baselines."""
