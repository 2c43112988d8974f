"""Forecast runs, schedule runs, the model registry."""
