"""What the retailer charges and pays."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from domain.errors import FieldError
from domain.market import MAX_UINT32
from domain.time import require_utc


@dataclass(frozen=True, slots=True)
class TariffBand:
    """A price on ``weekdays`` (0 = Monday) from ``start`` until ``end`` (``00:00``: midnight)."""

    start: time
    end: time
    price_micro_per_kwh: int
    weekdays: frozenset[int] = frozenset(range(7))

    def contains(self, local: datetime) -> bool:
        """Whether the local wall-clock instant lies in the band."""
        clock = local.time()
        return (
            local.weekday() in self.weekdays
            and self.start <= clock
            and (clock < self.end or self.end == time(0))
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """Retail import price by time of use, feed-in price, and the community's fee on traded energy.

    Prices are micro-units per kWh and never negative; ``feed_in <= import`` always. Each has four bytes in a
    batch.
    """

    time_zone: str
    import_micro_per_kwh: int
    feed_in_micro_per_kwh: int
    fee_micro_per_kwh: int = 0
    bands: tuple[TariffBand, ...] = ()

    def __post_init__(self) -> None:
        ZoneInfo(self.time_zone)
        prices = [self.import_micro_per_kwh, *(band.price_micro_per_kwh for band in self.bands)]
        if max(prices) > MAX_UINT32:
            raise FieldError("import_micro_per_kwh", f"no import price may be above {MAX_UINT32}")
        lowest = min(prices)
        if not 0 <= self.feed_in_micro_per_kwh <= lowest:
            raise FieldError("feed_in_micro_per_kwh", "must lie between 0 and the lowest import price")
        if not 0 <= 2 * self.fee_micro_per_kwh <= lowest - self.feed_in_micro_per_kwh:
            raise FieldError("fee_micro_per_kwh", "two fees must fit between the feed-in and import price")

    def import_price(self, instant: datetime) -> int:
        """Import price, micro-units per kWh, for the interval that starts at ``instant``."""
        local = require_utc(instant, "instant").astimezone(ZoneInfo(self.time_zone))
        for band in self.bands:
            if band.contains(local):
                return band.price_micro_per_kwh
        return self.import_micro_per_kwh
