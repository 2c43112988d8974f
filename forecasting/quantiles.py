"""Quantile levels and the arithmetic that all models share."""

import numpy as np

from forecasting.series import FloatArray
from forecasting.vista import Vista

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
LOW, MEDIAN, HIGH = (LEVELS.index(level) for level in (0.1, 0.5, 0.9))  # the 80 % band and its middle


def sample_quantiles(sample: FloatArray, levels: tuple[float, ...] = LEVELS) -> FloatArray:
    """Quantiles along the last axis, ignoring NaN, shape (..., Q); NaN where nothing is known.

    Linear between order statistics, as ``numpy.nanquantile``, which takes a slow path where NaN occurs.
    """
    ordered = np.sort(sample, axis=-1)
    last = np.isfinite(sample).sum(axis=-1, keepdims=True) - 1
    place = np.maximum(last, 0) * np.asarray(levels)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(last, 0))
    lower = np.take_along_axis(ordered, below, axis=-1)
    upper = np.take_along_axis(ordered, above, axis=-1)
    return np.asarray(lower + (upper - lower) * (place - below))


def tidy(quantiles: FloatArray, vista: Vista) -> FloatArray:
    """Quantiles (N, O, H, Q) in order, and on the side of zero where each series stayed in the past week."""
    week = vista.past_week()
    ordered = np.sort(quantiles, axis=-1)
    negative = np.any(week < 0, axis=-1, keepdims=True)[..., None]
    positive = np.any(week > 0, axis=-1, keepdims=True)[..., None]
    ordered = np.where(negative, ordered, np.maximum(ordered, 0.0))
    return np.where(positive, ordered, np.minimum(ordered, 0.0))
