"""What must hold of every clearing, whatever the book."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.market import Order, Side
from pricing.auction import clear

AT = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def books(draw):
    """Up to 12 orders of up to 6 participants, with many ties in price and time."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(1, 40), st.integers(0, 12), st.integers(0, 2)),
            max_size=12,
        )
    )
    sides = draw(st.lists(st.sampled_from(Side), min_size=6, max_size=6))
    return [
        Order(f"o{i:02}", f"p{who}", f"m{who}", sides[who], wh, limit, AT + timedelta(seconds=late))
        for i, (who, wh, limit, late) in enumerate(rows)
    ]


def executed(clearing, order_id):
    return sum(t.energy_wh for t in clearing.trades if order_id in (t.buy_order_id, t.sell_order_id))


def volume_at(orders, price):
    """Brute force: what can trade at one price inside every limit."""
    demand = sum(o.energy_wh for o in orders if o.side is Side.BUY and o.limit_micro_per_kwh >= price)
    supply = sum(o.energy_wh for o in orders if o.side is Side.SELL and o.limit_micro_per_kwh <= price)
    return min(demand, supply)


@given(books(), st.randoms(use_true_random=False))
def test_a_permutation_changes_nothing(orders, random):
    shuffled = orders.copy()
    random.shuffle(shuffled)
    assert clear(shuffled) == clear(orders)


@given(books())
def test_no_order_beyond_its_quantity_or_limit(orders):
    clearing = clear(orders)
    for order in orders:
        wh = executed(clearing, order.order_id)
        assert 0 <= wh <= order.energy_wh
        if wh and order.side is Side.BUY:
            assert order.limit_micro_per_kwh >= clearing.price_micro_per_kwh
        if wh and order.side is Side.SELL:
            assert order.limit_micro_per_kwh <= clearing.price_micro_per_kwh


@given(books())
def test_energy_is_conserved_and_each_trade_joins_a_bid_and_an_offer(orders):
    clearing = clear(orders)
    side = {o.order_id: o.side for o in orders}
    assert all(t.energy_wh > 0 for t in clearing.trades)
    assert all(side[t.buy_order_id] is Side.BUY for t in clearing.trades)
    assert all(side[t.sell_order_id] is Side.SELL for t in clearing.trades)
    assert clearing.traded_wh == sum(t.energy_wh for t in clearing.trades)
    assert (clearing.price_micro_per_kwh is None) == (clearing.traded_wh == 0)


@settings(max_examples=300)
@given(books())
def test_volume_is_the_most_that_can_trade_at_one_price(orders):
    assert clear(orders).traded_wh == max(volume_at(orders, price) for price in range(14))


@given(books())
def test_a_better_order_is_served_before_a_worse_one(orders):
    clearing = clear(orders)
    for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
        book = sorted(
            (o for o in orders if o.side is side),
            key=lambda o: (sign * o.limit_micro_per_kwh, o.placed_at, o.order_id),
        )
        left = [o.energy_wh - executed(clearing, o.order_id) for o in book]
        first_unfilled = next((i for i, wh in enumerate(left) if wh), len(book))
        assert all(executed(clearing, o.order_id) == 0 for o in book[first_unfilled + 1 :])


@given(books())
def test_no_pair_left_over_could_still_trade(orders):
    clearing = clear(orders)
    left = [o for o in orders if executed(clearing, o.order_id) < o.energy_wh]
    best_bid = max((o.limit_micro_per_kwh for o in left if o.side is Side.BUY), default=-1)
    best_offer = min((o.limit_micro_per_kwh for o in left if o.side is Side.SELL), default=99)
    assert best_bid < best_offer
