"""Which intervals a model learns from, and what it is to say of them."""

from dataclasses import dataclass

import numpy as np

from domain.errors import FieldError
from forecasting.features import Features, Recipe, build
from forecasting.series import BoolArray, FloatArray, History, IntArray
from forecasting.vista import Vista

MIN_EXAMPLES = 200
EXTREME = (
    0.0005  # the share of targets on each side that is pulled in: one spike must not rule a squared error
)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Features of origins (O,) and leads (O, L), and the values that followed, in units of their scale.

    ``value`` is (N, O, L), NaN where unknown; ``usable`` says where both a guess and the value are known.
    """

    features: Features
    leads: IntArray
    value: FloatArray
    usable: BoolArray

    @property
    def importance(self) -> FloatArray:
        """The scale over the series' mean scale, (N, O, 1): an error counts in the unit of its series."""
        scale = self.features.scale
        return np.asarray(np.nan_to_num(scale / np.nanmean(scale, axis=1, keepdims=True)))[..., None]

    def departure(self, guess: FloatArray) -> FloatArray:
        """``value - guess`` (N, O, L), its extremes pulled in."""
        missed = self.value - guess
        low, high = np.nanquantile(missed[self.usable], [EXTREME, 1 - EXTREME])
        return np.asarray(np.clip(missed, low, high))


def first_origin(history: History) -> int:
    """Position of the first origin with a day of what may be known behind it."""
    return history.steps_per_day + history.steps_withheld


def draw(
    history: History, *, horizon: int, most: int, leads_each: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Origins (O,), increasing, and leads (O, L) of each, at random: at most ``most`` examples."""
    candidates = np.arange(first_origin(history), len(history.grid))
    if not len(candidates):
        raise FieldError("history", "must be longer than a day", code="too_short")
    series = len(history.names)
    count = min(len(candidates), max(1, most // (series * min(leads_each, horizon))))
    each = min(horizon, max(1, most // (series * count)))
    origins = np.sort(rng.choice(candidates, count, replace=False))
    drawn = rng.random((count, horizon)).argsort(axis=1)[:, :each]
    return origins, np.sort(drawn, axis=1)


def examples(history: History, origins: IntArray, leads: IntArray, recipe: Recipe) -> Examples:
    """What is known at ``origins`` (O,) of ``origins + leads`` (O, L), and what then was."""
    features = build(Vista.at(history, origins), leads, recipe)
    value = values_at(history, origins[:, None] + leads) / features.unit
    return Examples(features, leads, value, np.isfinite(value) & np.isfinite(features.base))


def values_at(history: History, positions: IntArray) -> FloatArray:
    """What happened at ``positions`` (O, L), shape (N, O, L); NaN where unknown or yet to come."""
    inside = np.minimum(positions, len(history.grid) - 1)
    return np.where(positions == inside, history.values[:, inside], np.nan)


def require_enough(found: int) -> None:
    """FieldError(code="too_short") when there is too little to learn from."""
    if found < MIN_EXAMPLES:
        message = f"has {found} usable examples, needs {MIN_EXAMPLES}"
        raise FieldError("history", message, code="too_short")
