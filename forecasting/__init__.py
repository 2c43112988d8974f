"""History to Forecast: leak-safe features, one file a model, metrics, rolling-origin backtests.

Values keep the unit and sign of the history; nothing here reads a clock or a global random state.
"""
