"""State of charge (SoC) of a tower's battery in the hours ahead, from forecasts of its load and its sun.

A battery adds up what happens, so a forecast of its charge needs whole paths of load and sun: quantiles of
single hours do not say whether a bad hour is followed by another.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from domain.battery import Battery
from domain.errors import FieldError
from forecasting.quantiles import LEVELS
from forecasting.series import FloatArray

TAIL = 1e-6


def paths(
    quantiles: FloatArray, *, persistence: float, count: int, seed: int, levels: tuple[float, ...] = LEVELS
) -> FloatArray:
    """Equally likely paths (count, T) with the marginals ``quantiles`` (T, Q), in their unit.

    Ranks follow a Gaussian autoregression: ``persistence`` in [0, 1) is their correlation from one interval
    to the next. Linear between the levels and flat outside them. FieldError when quantiles are not finite or
    cross.
    """
    if quantiles.shape[1:] != (len(levels),):
        raise FieldError("quantiles", f"must be (T, {len(levels)}), got {quantiles.shape}")
    if not np.isfinite(quantiles).all() or (np.diff(quantiles, axis=1) < 0).any():
        raise FieldError("quantiles", "must be finite and not cross")
    if not 0 <= persistence < 1:
        raise FieldError("persistence", f"must lie in [0, 1), got {persistence}")
    if count < 1:
        raise FieldError("count", f"must be at least 1, got {count}")
    scores = np.random.default_rng(seed).standard_normal((len(quantiles), count))
    for t in range(1, len(scores)):
        scores[t] = persistence * scores[t - 1] + np.sqrt(1 - persistence**2) * scores[t]
    return np.array(
        [np.interp(ndtr(score), levels, row) for score, row in zip(scores, quantiles, strict=True)]
    ).T


def rank_persistence(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...] = LEVELS) -> float:
    """Correlation, from one interval to the next, of where ``actual`` (D, T) fell in ``quantiles`` (D, T, Q).

    From past forecasts of T intervals each, for ``paths``; never below 0 nor above 0.99. Intervals whose
    quantiles are all the same, as those of the sun at night, say nothing and are left out.
    """
    flat = quantiles.reshape(-1, quantiles.shape[-1])
    ranks = np.array([_rank(value, row, levels) for value, row in zip(actual.ravel(), flat, strict=True)])
    scores = ndtri(np.clip(ranks, TAIL, 1 - TAIL)).reshape(actual.shape)
    known = np.ptp(quantiles, axis=-1) > 0
    both = known[:, 1:] & known[:, :-1]
    if both.sum() < len(levels):
        raise FieldError("quantiles", "too few past intervals with a spread", code="too_short")
    return float(np.clip(np.corrcoef(scores[:, 1:][both], scores[:, :-1][both])[0, 1], 0.0, 0.99))


def _rank(value: float, row: FloatArray, levels: tuple[float, ...]) -> float:
    """Level of ``value`` among the quantiles ``row``; beyond them, half-way to 0 or to 1."""
    if value < row[0]:
        return levels[0] / 2
    if value > row[-1]:
        return (1 + levels[-1]) / 2
    low, high = np.searchsorted(row, value, "left"), np.searchsorted(row, value, "right") - 1
    return levels[low] if high > low else float(np.interp(value, row, levels))


def soc_paths(
    net_load_kw: FloatArray,
    grid_kw: FloatArray,
    battery: Battery,
    *,
    soc_initial_kwh: FloatArray,
    step_h: float,
) -> FloatArray:
    """State of charge at the end of each interval, (S, T) kWh, on each path of ``net_load_kw`` (S, T).

    Net load is load less sun, at the battery's terminal; ``grid_kw`` (T,) is what the grid can give, 0 in an
    outage. Sun and grid serve the load first and charge the battery, as fast as it takes it, with what is
    left; what they cannot serve, the battery does, down to its floor, and below that the diesel.
    ``soc_initial_kwh`` (S,) or a scalar. Losses by the battery's efficiencies.
    """
    if grid_kw.ndim != 1 or net_load_kw.shape[1:] != grid_kw.shape:
        raise FieldError("net_load_kw", f"must be (S, {len(grid_kw)}), got {net_load_kw.shape}")
    if not np.isfinite(net_load_kw).all() or not (np.isfinite(grid_kw) & (grid_kw >= 0)).all():
        raise FieldError("net_load_kw", "and grid_kw must be finite, and grid_kw not negative")
    if not step_h > 0:
        raise FieldError("step_h", f"must be above 0, got {step_h}")
    soc = np.broadcast_to(np.asarray(soc_initial_kwh, dtype=np.float64), len(net_load_kw))
    if not ((soc >= 0) & (soc <= battery.capacity_kwh)).all():
        raise FieldError("soc_initial_kwh", f"must lie in [0, {battery.capacity_kwh:g}]")
    states = []
    for net_kw, available_kw in zip(net_load_kw.T, grid_kw, strict=True):
        left_kw = available_kw - net_kw
        charge_kw = np.clip(left_kw, 0.0, battery.max_charge_kw)
        discharge_kw = np.clip(-left_kw, 0.0, battery.max_discharge_kw)
        given = np.minimum(
            discharge_kw * step_h / battery.discharge_efficiency, np.maximum(soc - battery.soc_min_kwh, 0.0)
        )
        stored = np.minimum(charge_kw * step_h * battery.charge_efficiency, battery.capacity_kwh - soc)
        soc = soc + stored - given
        states.append(soc)
    return np.array(states).T


def soc_quantiles(states_kwh: FloatArray, levels: tuple[float, ...] = LEVELS) -> FloatArray:
    """Quantiles (T, Q) over the paths (S, T)."""
    return np.asarray(np.quantile(states_kwh, levels, axis=0).T)
