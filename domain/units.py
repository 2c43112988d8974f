"""Units, and the only places where a fraction of a unit is rounded; each direction is in its name."""

import math

from domain.errors import FieldError

WH_PER_KWH = 1_000
MICRO_PER_UNIT = 1_000_000


def amount_micro_down(energy_wh: int, price_micro_per_kwh: int) -> int:
    """Price of ``energy_wh`` in micro-units, rounded towards zero: what is paid out.

    >>> amount_micro_down(1_500, 142_857)
    214285
    """
    return micro_down(energy_wh * price_micro_per_kwh)


def amount_micro_up(energy_wh: int, price_micro_per_kwh: int) -> int:
    """Price of ``energy_wh`` in micro-units, rounded away from zero: what is taken in.

    >>> amount_micro_up(1_500, 142_857)
    214286
    """
    return micro_up(energy_wh * price_micro_per_kwh)


def micro_down(product: int) -> int:
    """Micro-units of a sum of Wh x micro-units per kWh, rounded down: what is paid out."""
    return product // WH_PER_KWH


def micro_up(product: int) -> int:
    """Micro-units of a sum of Wh x micro-units per kWh, rounded up: what is taken in."""
    return -(-product // WH_PER_KWH)


def micro_from_price(price_per_kwh: float) -> int:
    """A price in units per kWh as integer micro-units per kWh, rounded to nearest."""
    return round(require_finite(price_per_kwh, "price_per_kwh") * MICRO_PER_UNIT)


def wh_from_kwh_down(energy_kwh: float) -> int:
    """Energy in kWh as integer Wh, rounded down (never more than is there)."""
    return math.floor(require_finite(energy_kwh, "energy_kwh") * WH_PER_KWH)


def wh_from_kwh_nearest(energy_kwh: float) -> int:
    """Energy in kWh as integer Wh, rounded to nearest: what a meter register shows."""
    return round(require_finite(energy_kwh, "energy_kwh") * WH_PER_KWH)


def require_finite(value: float, field: str) -> float:
    """``value``, or FieldError naming ``field`` when it is NaN or infinite."""
    if not math.isfinite(value):
        raise FieldError(field, f"must be a finite number, got {value}", code="not_finite")
    return value
