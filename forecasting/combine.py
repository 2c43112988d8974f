"""Forecasts of parts, added up to the forecast of the whole."""

from collections.abc import Sequence

import numpy as np

from domain.errors import FieldError
from domain.forecast import Forecast


def sum_independent(parts: Sequence[Forecast]) -> Forecast:
    """The forecast of the sum of ``parts``, whose errors are taken as independent.

    Medians add; distances of a quantile from its median add in squares, which is exact for normal
    distributions and close for many parts of any other.

    Raises:
        FieldError: no parts, or parts on different grids or levels.
    """
    if not parts:
        raise FieldError("parts", "must not be empty")
    first = parts[0]
    if any((part.grid, part.levels) != (first.grid, first.levels) for part in parts):
        raise FieldError("parts", "must share one grid and one set of levels")
    medians = np.array([part.quantile(0.5) for part in parts])
    spread = np.sqrt(
        sum((part.power_kw - median[:, None]) ** 2 for part, median in zip(parts, medians, strict=True))
    )
    signs = np.sign(np.array(first.levels) - 0.5)
    return Forecast(
        grid=first.grid,
        issued_at=max(part.issued_at for part in parts),
        available_at=max(part.available_at for part in parts),
        levels=first.levels,
        power_kw=np.maximum.accumulate(medians.sum(axis=0)[:, None] + signs * spread, axis=1),
        model=first.model,
    )
