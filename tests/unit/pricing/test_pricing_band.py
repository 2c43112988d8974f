"""The price band and the supply-demand reference."""

from datetime import UTC, datetime, time

import numpy as np
import pytest

from domain.errors import FieldError
from domain.tariff import Tariff, TariffBand
from pricing.band import local_price_band, supply_and_demand

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TARIFF = Tariff("UTC", 200_000, 50_000, fee_micro_per_kwh=1_000)


def reference(supply_kwh, demand_kwh, tariff=TARIFF):
    band = local_price_band(
        tariff, [NOON], supply_kwh=np.array([supply_kwh]), demand_kwh=np.array([demand_kwh])
    )
    return int(band.reference[0])


def test_members_needs_and_surpluses_are_added_apart():
    supply_kwh, demand_kwh = supply_and_demand(np.array([[1.0, -2.0], [-0.5, -1.0], [2.0, 0.0]]))
    assert supply_kwh.tolist() == [0.5, 3.0]
    assert demand_kwh.tolist() == [3.0, 0.0]


def test_band_leaves_room_for_both_fees_and_follows_the_tariff():
    evening = Tariff(
        "UTC", 200_000, 50_000, 1_000, (TariffBand(time(13), time(20), price_micro_per_kwh=400_000),)
    )
    ones = np.ones(2)
    band = local_price_band(evening, [NOON, NOON.replace(hour=13)], supply_kwh=ones, demand_kwh=ones)
    assert band.floor.tolist() == [51_000, 51_000]
    assert band.ceiling.tolist() == [199_000, 399_000]
    assert band.reference.dtype == np.int64


def test_reference_runs_from_ceiling_to_floor():
    path = [reference(supply, 10.0) for supply in (0, 2, 5, 8, 10, 11)]
    assert path[0] == 199_000
    assert path[-2:] == [51_000, 51_000]
    assert path == sorted(path, reverse=True)
    assert path[2] == round(51_000 * 199_000 / (148_000 * 0.5 + 51_000))


def test_degenerate_intervals_stay_inside_the_band():
    assert reference(0, 0) == 125_000
    assert reference(3, 0) == 51_000
    free = Tariff("UTC", 200_000, 0)
    assert reference(0, 1, free) == 200_000
    assert reference(1, 1, free) == 0


@pytest.mark.parametrize(("supply", "field"), [([1.0, 2.0], "supply_kwh"), ([-1.0], "supply_kwh")])
def test_bad_series_are_refused(supply, field):
    with pytest.raises(FieldError, match=field):
        local_price_band(TARIFF, [NOON], supply_kwh=np.array(supply), demand_kwh=np.ones(1))
