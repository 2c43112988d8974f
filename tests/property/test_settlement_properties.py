"""What must hold of every settled interval, to the micro-unit."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.market import SettlementPrices
from pricing.settlement import MeterInterval, settle_interval, settle_meter

energy = st.integers(0, 5_000)
price = st.integers(0, 400_000)
all_prices = st.builds(
    SettlementPrices, clearing=price, retail_import=price, feed_in=price, imbalance=price, fee=price
)
sales = st.lists(st.tuples(energy, price), max_size=4)


@st.composite
def sane_prices(draw):
    """Prices as committed: feed-in + fee <= clearing <= retail - fee, imbalance >= clearing."""
    feed_in, fee, *steps = (draw(price) for _ in range(5))
    clearing = feed_in + fee + steps[0]
    return SettlementPrices(
        clearing=clearing,
        retail_import=clearing + fee + steps[1],
        feed_in=feed_in,
        imbalance=clearing + steps[2],
        fee=fee,
    )


@st.composite
def intervals(draw):
    """Meters whose purchases and sales add up to the same, some without a reading."""
    sold = draw(st.lists(sales, min_size=1, max_size=4))
    missing = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    meters = [
        MeterInterval(
            f"s{i}", *((None, None) if missing[i] else (draw(energy), draw(energy))), 0, tuple(orders)
        )
        for i, orders in enumerate(sold)
    ]
    total_wh = sum(wh for orders in sold for wh, _ in orders)
    reading = (None, None) if missing[4] else (draw(energy), draw(energy))
    return [*meters, MeterInterval("b", *reading, total_wh)]


def settle(imported_wh, exported_wh, bought_wh, sold, prices):
    return settle_meter(
        imported_wh=imported_wh, exported_wh=exported_wh, bought_wh=bought_wh, sold=sold, prices=prices
    )


@given(intervals(), all_prices)
def test_money_is_conserved(meters, prices):
    result = settle_interval(meters, prices)
    member_deltas = [-line.net_micro for line in result.lines]
    assert sum(member_deltas) + result.retailer_delta_micro + result.fees_micro == 0


@given(energy, energy, energy, sales, all_prices)
def test_rounding_never_creates_value(imported_wh, exported_wh, bought_wh, sold, prices):
    """The member never pays less, nor less than 6 + one-per-order micro-units off, the exact amount."""
    line = settle(imported_wh, exported_wh, bought_wh, sold, prices)
    left_wh, shortfall = line.delivered_wh, Fraction(0)
    for wh, cap in sold:
        filled_wh = min(left_wh, wh)
        left_wh -= filled_wh
        shortfall += Fraction((wh - filled_wh) * min(max(prices.imbalance - prices.clearing, 0), cap), 1000)
    exact = shortfall + Fraction(
        (bought_wh - line.delivered_wh) * prices.clearing
        + (bought_wh + line.delivered_wh) * prices.fee
        + line.retail_import_wh * prices.retail_import
        - line.feed_in_wh * prices.feed_in,
        1000,
    )
    assert exact <= line.net_micro < exact + 6 + len(sold)


@given(energy, energy, energy, sales, all_prices)
def test_every_wh_is_accounted_for_once(imported_wh, exported_wh, bought_wh, sold, prices):
    line = settle(imported_wh, exported_wh, bought_wh, sold, prices)
    undelivered_wh = line.sold_wh - line.delivered_wh
    assert min(line.delivered_wh, line.retail_import_wh, line.feed_in_wh, undelivered_wh) >= 0
    inflow_wh = line.bought_wh + line.retail_import_wh
    outflow_wh = line.delivered_wh + line.feed_in_wh
    assert inflow_wh - outflow_wh == imported_wh - exported_wh


@given(energy, energy, energy, all_prices, st.integers(1, 500))
def test_importing_more_never_pays_the_member(imported_wh, exported_wh, bought_wh, prices, more_wh):
    before = settle(imported_wh, exported_wh, bought_wh, [], prices)
    after = settle(imported_wh + more_wh, exported_wh, bought_wh, [], prices)
    assert after.net_micro >= before.net_micro


@given(energy, energy, sales, sane_prices(), st.integers(1, 500))
def test_exporting_more_never_costs_the_member(imported_wh, exported_wh, sold, prices, more_wh):
    """Under sane prices one more Wh delivered earns at least feed-in; roundings can cost a micro-unit."""
    before = settle(imported_wh, exported_wh, 0, sold, prices)
    after = settle(imported_wh, exported_wh + more_wh, 0, sold, prices)
    assert after.net_micro <= before.net_micro + 3


@given(energy, sane_prices())
def test_trading_beats_the_retailer_for_both_sides(traded_wh, prices):
    buyer = settle(traded_wh, 0, traded_wh, [], prices)
    seller = settle(0, traded_wh, 0, [(traded_wh, prices.imbalance)], prices)
    assert buyer.net_micro <= settle(traded_wh, 0, 0, [], prices).net_micro + 1
    assert seller.net_micro <= settle(0, traded_wh, 0, [], prices).net_micro + 1


@given(energy, sales, all_prices, st.integers(0, 400_000))
def test_a_cap_bounds_the_shortfall_charge(exported_wh, sold, prices, lower):
    assume(sold)
    capped = [(wh, min(cap, lower)) for wh, cap in sold]
    before = settle(0, exported_wh, 0, sold, prices)
    after = settle(0, exported_wh, 0, capped, prices)
    assert after.shortfall_micro <= before.shortfall_micro
    assert after.shortfall_micro <= sum(-(-wh * cap // 1000) for wh, cap in capped)
    assert replace(after, shortfall_micro=0) == replace(before, shortfall_micro=0)
