"""Newsvendor blocks: limits by hand, and by simulating the settlement they were derived from."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.forecast import Forecast
from domain.market import SettlementPrices, Side
from domain.time import TimeGrid
from pricing.bidding import OutsidePrices, net_quantiles, order_blocks
from pricing.settlement import Purchase, Sale, settle_meter

PRICES = OutsidePrices(retail_import=200_000, feed_in=50_000, imbalance=260_000, fee=1_000)
LEVELS = (0.1, 0.5, 0.9)
START = datetime(2026, 1, 1, tzinfo=UTC)
GRID = TimeGrid(START, timedelta(minutes=30), 2)


def blocks(*net_kwh, levels=LEVELS, prices=PRICES):
    return order_blocks(levels=levels, net_kwh=np.array(net_kwh), prices=prices)


def forecast(rows):
    return Forecast(GRID, START, START, LEVELS, np.array(rows))


def test_a_need_bids_less_for_each_less_likely_block():
    bids = blocks(0.5, 1.0, 1.4)
    assert [b.side for b in bids] == [Side.BUY] * 3
    assert [b.energy_wh for b in bids] == [500, 500, 400]
    assert [b.risk for b in bids] == pytest.approx([0.1, 0.3, 0.7])
    assert [b.limit_micro_per_kwh for b in bids] == [184_000, 154_000, 94_000]
    assert {b.imbalance_cap_micro_per_kwh for b in bids} == {0}


def test_a_surplus_offers_dearer_for_each_less_likely_block():
    offers = blocks(-1.4, -1.0, -0.5)
    assert [o.side for o in offers] == [Side.SELL] * 3
    assert [o.energy_wh for o in offers] == [500, 500, 400]
    assert [o.limit_micro_per_kwh for o in offers] == [71_900, 113_700, 197_300]
    assert [o.imbalance_cap_micro_per_kwh for o in offers] == [188_100, 146_300, 62_700]


def test_an_offer_above_what_any_member_gains_from_is_left_out():
    dear = OutsidePrices(retail_import=200_000, feed_in=50_000, imbalance=300_000, fee=1_000)
    assert [o.energy_wh for o in blocks(-1.4, -1.0, -0.5, prices=dear)] == [500, 500]


def test_quantiles_across_zero_bid_only_what_may_be_needed():
    (bid,) = blocks(-1.0, 0.5, 0.5)
    assert bid.energy_wh == 500
    assert bid.risk == pytest.approx((0.1 + 0.4 * 2 / 3 + 0.5) / 2)


def test_small_blocks_are_left_out():
    assert [b.energy_wh for b in blocks(0.5, 0.509, 0.6)] == [500, 91]
    assert blocks(0.0, 0.0, 0.0) == ()


@pytest.mark.parametrize("net_kwh", [(1.0, 0.5, 2.0), (1.0, float("nan"), 2.0), (1.0, 2.0)])
def test_bad_quantiles_are_refused(net_kwh):
    with pytest.raises(FieldError, match="net_kwh"):
        blocks(*net_kwh)


def gain_micro(block, need_wh, clearing):
    """What executing ``block`` alone at ``clearing`` saves a member whose meter turns out at ``need_wh``."""
    prices = SettlementPrices(clearing, PRICES.retail_import, PRICES.feed_in, PRICES.imbalance, PRICES.fee)

    def net(bought_wh, sold):
        return settle_meter(
            imported_wh=max(need_wh, 0),
            exported_wh=max(-need_wh, 0),
            bought=[Purchase(bought_wh, clearing)],
            sold=[Sale(wh, clearing, cap) for wh, cap in sold],
            prices=prices,
        ).net_micro

    idle = net(0, [])
    if block.side is Side.BUY:
        return idle - net(block.energy_wh, [])
    return idle - net(0, [(block.energy_wh, block.imbalance_cap_micro_per_kwh)])


@pytest.mark.parametrize("sign", [1, -1])
def test_expected_gain_of_the_marginal_block_vanishes_at_its_limit(sign):
    """A uniform net position is exactly linear between quantiles: the gain at the limit must be zero."""
    rng = np.random.default_rng(7)
    levels = tuple(np.round(np.arange(0.02, 1.0, 0.02), 2))
    net_kwh = sign * 4.0 + 2.0 * (np.array(levels) - 0.5)
    needs_wh = np.rint((sign * 4.0 + rng.uniform(-1, 1, 4_000)) * 1000).astype(int)
    first, *others = blocks(*net_kwh, levels=levels)
    safe = gains(first, 0, needs_wh)
    assert safe >= 0
    offset_wh = first.energy_wh
    for block in others:
        if abs(block.risk - 0.4) < 0.011:
            marginal = gains(block, offset_wh, needs_wh)
            assert marginal == pytest.approx(0, abs=0.04 * block.energy_wh * 200)
            assert gains(block, offset_wh, needs_wh, worse_by=40_000) < 0
        offset_wh += block.energy_wh


def gains(block, offset_wh, needs_wh, worse_by=0):
    """Mean gain of ``block`` when ``offset_wh`` before it are already contracted."""
    sign = 1 if block.side is Side.BUY else -1
    clearing = block.limit_micro_per_kwh + sign * worse_by
    return float(np.mean([gain_micro(block, int(need - sign * offset_wh), clearing) for need in needs_wh]))


def test_independent_spreads_add_as_squares_and_pv_enters_mirrored():
    load = forecast([[1.0, 4.0, 7.0], [1.0, 1.0, 1.0]])
    pv = forecast([[1.0, 5.0, 6.0], [0.0, 0.0, 3.0]])
    net_kwh = net_quantiles(load, pv, np.array([2.0, 0.0]))
    assert net_kwh[0] == pytest.approx([(1 - np.hypot(3, 1)) / 2, 0.5, (1 + 5) / 2])
    assert net_kwh[1] == pytest.approx([(1 - 3) / 2, 0.5, 0.5])


def test_a_home_without_pv():
    load = forecast([[1.0, 4.0, 7.0], [1.0, 1.0, 1.0]])
    assert net_quantiles(load, None, np.zeros(2)).tolist() == (load.power_kw / 2).tolist()


def test_net_quantiles_refuse_a_battery_plan_of_another_length():
    load = forecast([[1.0, 4.0, 7.0], [1.0, 1.0, 1.0]])
    with pytest.raises(FieldError, match="battery_kw"):
        net_quantiles(load, None, np.zeros(3))
