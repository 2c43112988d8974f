"""The call auction on small books computed by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import FieldError
from domain.market import Clearing, Order, Side
from pricing.auction import clear, midpoint_down, rematch

AT = datetime(2026, 1, 1, tzinfo=UTC)


def order(name, side, energy_wh, limit, **given):
    placed_at = AT + timedelta(seconds=given.get("seconds", 0))
    participant = given.get("participant", name)
    meter = given.get("meter", f"meter-{name}")
    return Order(name, participant, meter, side, energy_wh, limit, placed_at, given.get("k", 0))


def bid(name, energy_wh, limit, **given):
    return order(name, Side.BUY, energy_wh, limit, **given)


def offer(name, energy_wh, limit, **given):
    return order(name, Side.SELL, energy_wh, limit, **given)


def pairs(clearing):
    return [(t.buy_order_id, t.sell_order_id, t.energy_wh) for t in clearing.trades]


def test_the_marginal_pair_sets_one_price_for_all():
    result = clear([bid("b1", 500, 200), bid("b2", 500, 150), offer("s1", 600, 100), offer("s2", 600, 141)])
    assert result.price_micro_per_kwh == (150 + 141) // 2 == 145
    assert {t.price_micro_per_kwh for t in result.trades} == {145}
    assert pairs(result) == [("b1", "s1", 500), ("b2", "s1", 100), ("b2", "s2", 400)]
    assert result.traded_wh == 1_000
    assert result.welfare_micro == 500 * 100 // 1000 + 100 * 50 // 1000 + 400 * 9 // 1000


def test_what_does_not_cross_does_not_trade():
    result = clear([bid("b1", 500, 200), bid("b2", 500, 90), offer("s1", 300, 100), offer("s2", 300, 201)])
    assert pairs(result) == [("b1", "s1", 300)]


def test_equal_limits_trade():
    assert clear([bid("b", 5, 100), offer("s", 5, 100)]).price_micro_per_kwh == 100


@pytest.mark.parametrize("orders", [[], [bid("b", 5, 100)], [bid("b", 5, 99), offer("s", 5, 100)]])
def test_nothing_crosses(orders):
    assert clear(orders) == Clearing(None, (), 0, 0)


def test_ties_go_to_the_earlier_order_then_the_lower_id():
    late, second, first = (
        offer("a-late", 100, 50, seconds=1),
        offer("c", 100, 50),
        offer("b", 100, 50),
    )
    result = clear([late, second, first, bid("x", 250, 60)])
    assert sorted(pairs(result)) == [("x", "a-late", 50), ("x", "b", 100), ("x", "c", 100)]


def test_half_a_micro_unit_goes_to_the_buyers():
    assert midpoint_down(101, 100) == 100


def test_a_participant_on_both_sides_is_refused():
    with pytest.raises(FieldError, match="ana stands on both sides"):
        clear([bid("b", 5, 100, participant="ana"), offer("s", 5, 90, participant="ana")])


def test_a_repeated_id_is_refused():
    with pytest.raises(FieldError, match="order_id"):
        clear([bid("b", 5, 100, participant="ana"), bid("b", 5, 100, participant="rui")])


def test_one_participant_may_hold_many_orders_of_one_side():
    result = clear(
        [bid("b1", 5, 100, participant="ana"), bid("b2", 5, 90, participant="ana"), offer("s", 9, 80)]
    )
    assert pairs(result) == [("b1", "s", 5), ("b2", "s", 4)]


def test_pairs_follow_from_meters_and_k_alone():
    """Whoever was keener: the bids b, a and the offers d, c, laid end to end."""
    book = [
        bid("a", 300, 200, meter="m2"),
        bid("b", 200, 190, meter="m1"),
        offer("c", 350, 100, meter="m3", k=7, participant="eva"),
        offer("d", 150, 110, meter="m3", k=2, participant="eva"),
    ]
    assert pairs(clear(book)) == [("b", "d", 150), ("b", "c", 50), ("a", "c", 300)]


def test_of_what_is_left_of_a_clearing_the_less_keen_are_cut():
    left = [bid("a", 300, 200), bid("b", 300, 190), offer("c", 400, 100)]
    result = rematch(left, 150)
    assert pairs(result) == [("a", "c", 300), ("b", "c", 100)]
    assert (result.price_micro_per_kwh, result.traded_wh) == (150, 400)
    assert result.welfare_micro == (300 * 200 + 100 * 190 - 400 * 100) // 1000
    assert rematch(left[:2], 150).trades == ()
