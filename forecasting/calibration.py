"""Quantiles around a centre, from what it missed before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import norm

from domain.errors import FieldError
from forecasting.features import LEAST_SPREAD, Features
from forecasting.quantiles import LEVELS, MEDIAN, sample_quantiles
from forecasting.series import FloatArray, IntArray

BANDS = 24  # times of day that are told apart at most
DIGITS = 5
FEW_DAYS = 1.0  # judged, that weigh as much as what intervals were before
NORMAL = norm.ppf(LEVELS)
SHAPES = ((1, len(LEVELS)), (BANDS, len(LEVELS)))  # of the offsets of one lead
SHRINK = 40  # misses that weigh as much as what all leads and times of day have in common


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """``offsets`` (H, B, Q): quantiles of what was missed by lead and time of day, in units of the spread.

    H or B may be 1, where all leads or times of day are alike.
    """

    offsets: FloatArray

    def around(self, features: Features, centre: FloatArray) -> FloatArray:
        """Quantiles at ``LEVELS`` around ``centre`` (N, O, H), shape (N, O, H, Q); the middle is it."""
        spread, band = _spread_and_band(features)
        leads = centre.shape[-1]
        shape = (max(leads, len(self.offsets)), BANDS, len(LEVELS))
        offsets = np.broadcast_to(self.offsets, shape)[np.arange(leads), band]
        return centre[..., None] + offsets * spread[..., None]

    def dump(self) -> list[list[list[float]]]:
        """As JSON types."""
        rows: list[list[list[float]]] = self.offsets.tolist()
        return rows

    @classmethod
    def load(cls, rows: list[list[list[float]]]) -> Self:
        """What ``dump`` gave; FieldError when it is not (H, B, Q), finite, with 1 or 24 times of day."""
        offsets = np.array(rows, dtype=np.float64)
        if not offsets.size or offsets.shape[1:] not in SHAPES:
            shapes = " or ".join(f"(H, {bands}, {levels})" for bands, levels in SHAPES)
            raise FieldError("calibration", f"must be {shapes}, got {offsets.shape}")
        if not np.isfinite(offsets).all():
            raise FieldError("calibration", "must be finite")
        return cls(offsets)


NONE = Calibration(NORMAL[None, None])  # of a model that has yet to be judged


def calibrated_on(
    features: Sequence[Features], centre: FloatArray, actual: FloatArray, *, days: float, before: Calibration
) -> Calibration:
    """What ``centre`` (N, O, H) missed of ``actual`` (N, O, H), NaN where unknown; ``features`` are by parts.

    Quantiles of few misses are drawn towards those of all, and those of few ``days`` towards ``before``:
    misses of one day share its weather, so a day says little however many they are.
    """
    horizon = centre.shape[-1]
    parts = [_spread_and_band(part) for part in features]
    spread = np.concatenate([part[0] for part in parts], axis=1)
    band = np.concatenate([part[1] for part in parts])
    missed = (actual - centre) / np.where(spread > 0, spread, np.nan)
    known = missed[np.isfinite(missed)]
    pooled = _of_the_next(known) if known.size else NORMAL
    bands = int(band.max()) + 1 if band.size else 1
    offsets = np.empty((horizon, BANDS if bands > 1 else 1, len(LEVELS)))
    for lead in range(horizon):
        of_lead = missed[:, :, lead]
        lead_only = _drawn_towards(pooled, of_lead)
        for b in range(offsets.shape[1]):
            offsets[lead, b] = _drawn_towards(lead_only, of_lead[:, band[:, lead] == b])
    share = days**2 / (days**2 + FEW_DAYS**2)
    offsets = share * offsets + (1 - share) * before.offsets[:horizon]
    offsets[..., :MEDIAN] = np.minimum(offsets[..., :MEDIAN], 0.0)
    offsets[..., MEDIAN] = 0.0
    offsets[..., MEDIAN + 1 :] = np.maximum(offsets[..., MEDIAN + 1 :], 0.0)
    return Calibration(offsets.round(DIGITS))


def _drawn_towards(common: FloatArray, missed: FloatArray) -> FloatArray:
    known = missed[np.isfinite(missed)]
    if not known.size:
        return common
    share = known.size / (known.size + SHRINK)
    return share * _of_the_next(known) + (1 - share) * common


def _of_the_next(missed: FloatArray) -> FloatArray:
    """Quantiles at ``LEVELS`` that one more miss stays below, given those ``missed`` (E,), one at least.

    Of E misses and the next, each is equally likely to be the k-th: its level is k / (E + 1), farther out
    than the sample's own quantile (split conformal prediction; Lei et al. 2018).
    """
    levels = ((missed.size + 1) * np.asarray(LEVELS) - 1) / max(missed.size - 1, 1)
    return sample_quantiles(missed, tuple(np.clip(levels, 0, 1)))


def _spread_and_band(features: Features) -> tuple[FloatArray, IntArray]:
    """How far a guess may be off (N, O, H), in the series' unit, and the target's time of day (O, H)."""
    band = features.column("hour")[0].astype(np.int64) % BANDS
    moving = np.where(features.spread > LEAST_SPREAD, features.spread, 0.0)
    return moving * features.scale[..., None], band
