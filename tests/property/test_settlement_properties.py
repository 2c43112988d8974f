"""What must hold of every settled interval, to the micro-unit."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.market import SettlementPrices
from pricing.settlement import MeterInterval, Purchase, Sale, settle_interval, settle_meter

energy = st.integers(0, 5_000)
price = st.integers(0, 400_000)
all_prices = st.builds(
    SettlementPrices, clearing=price, retail_import=price, feed_in=price, imbalance=price, fee=price
)
bought_at = st.lists(st.builds(Purchase, energy, price), max_size=4)
sold_at = st.lists(st.builds(Sale, energy, price, price), max_size=4)
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
    """Meters whose purchases and sales add up to the same, each at its own prices; some without a reading."""
    sold = draw(st.lists(sold_at, min_size=1, max_size=4))
    missing = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    watts = draw(st.integers(0, 10_000))

    def meter(name, place, bought, sales):
        reading = (None, None) if missing[place] else (draw(energy), draw(energy))
        return MeterInterval(name, *reading, bought, sales, watts)

    meters = [meter(f"s{i}", i, (), tuple(own)) for i, own in enumerate(sold)]
    purchases = tuple(Purchase(sale.energy_wh, draw(price)) for own in sold for sale in own)
    return [*meters, meter("b", 4, purchases, ())]


def settle(imported_wh, exported_wh, bought_wh, sold, prices):
    """At the clearing price; `sold` are (Wh, cap)."""
    return settle_meter(
        imported_wh=imported_wh,
        exported_wh=exported_wh,
        bought=[Purchase(bought_wh, prices.clearing)],
        sold=[Sale(wh, prices.clearing, cap) for wh, cap in sold],
        prices=prices,
    )


@given(intervals(), all_prices)
def test_money_is_conserved(meters, prices):
    result = settle_interval(meters, prices, interval_s=900)
    member_deltas = [-line.net_micro for line in result.lines]
    assert sum(member_deltas) + result.retailer_delta_micro + result.fees_micro == 0


@given(energy, energy, bought_at, sold_at, all_prices)
def test_rounding_never_creates_value(imported_wh, exported_wh, bought, sold, prices):
    """The member never pays less than the exact amount, and less than 8 micro-units more: one a rounding."""
    line = settle_meter(
        imported_wh=imported_wh, exported_wh=exported_wh, bought=bought, sold=sold, prices=prices
    )
    left_wh, product = line.delivered_wh, 0
    for wh, at, cap in sold:
        filled_wh = min(left_wh, wh)
        left_wh -= filled_wh
        product += (wh - filled_wh) * min(max(prices.imbalance - at, 0), cap) - filled_wh * at
    product += sum(wh * at for wh, at in bought) + (line.bought_wh + line.delivered_wh) * prices.fee
    product += line.retail_import_wh * prices.retail_import - line.feed_in_wh * prices.feed_in
    exact = Fraction(product, 1000)
    assert exact <= line.net_micro < exact + 8


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
    assert after.shortfall_micro <= -(-sum(wh * cap for wh, cap in capped) // 1000)
    assert replace(after, shortfall_micro=0) == replace(before, shortfall_micro=0)
