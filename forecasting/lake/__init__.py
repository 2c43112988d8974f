"""The lake: bronze (as received) → silver (typed, UTC, flagged) → gold (features on a regular grid)."""
