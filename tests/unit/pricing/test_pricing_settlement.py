"""Settlement arithmetic: hand-computed cases, and the vectors that Solidity and TypeScript read too."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from domain.errors import FieldError
from domain.market import SettlementPrices
from pricing.settlement import MeterInterval, fallback, settle_interval, settle_meter

PRICES = SettlementPrices(
    clearing=120_000, retail_import=200_000, feed_in=50_000, imbalance=260_000, fee=1_000
)
NO_CAP = 10**9


def settle(imported_wh=0, exported_wh=0, bought_wh=0, sold=(), prices=PRICES):
    return settle_meter(
        imported_wh=imported_wh, exported_wh=exported_wh, bought_wh=bought_wh, sold=sold, prices=prices
    )


def test_buyer_pays_for_all_it_bought_and_imports_the_rest_from_the_retailer():
    line = settle(imported_wh=1_500, bought_wh=1_000)
    assert (line.purchase_micro, line.retail_import_wh, line.retail_micro) == (120_000, 500, 100_000)
    assert line.net_micro == 120_000 + 100_000 + 1_000


def test_buyer_that_took_less_is_credited_the_difference_at_feed_in():
    line = settle(imported_wh=400, bought_wh=1_000)
    assert (line.retail_import_wh, line.feed_in_wh, line.feed_in_micro) == (0, 600, 30_000)


def test_seller_is_paid_for_what_it_delivered_and_feeds_in_the_rest():
    line = settle(exported_wh=1_700, sold=[(1_000, NO_CAP)])
    assert (line.delivered_wh, line.sale_micro, line.feed_in_wh) == (1_000, 120_000, 700)
    assert line.shortfall_micro == 0
    assert line.net_micro == 1_000 - 120_000 - 35_000


def test_shortfall_pays_the_premium_over_the_clearing_price_and_no_fee_on_what_was_not_delivered():
    line = settle(exported_wh=600, sold=[(1_000, NO_CAP)])
    assert (line.delivered_wh, line.shortfall_micro, line.fee_micro) == (600, 400 * 140, 600)


def test_delivery_fills_sell_orders_in_fill_order_and_each_cap_is_its_own():
    line = settle(exported_wh=500, sold=[(400, 0), (300, 100_000), (200, 50_000)])
    assert line.shortfall_micro == 200 * 100 + 200 * 50
    swapped = settle(exported_wh=500, sold=[(200, 50_000), (300, 100_000), (400, 0)])
    assert swapped.shortfall_micro == 0


def test_shortfall_is_rounded_up_once_per_order():
    prices = SettlementPrices(clearing=0, retail_import=0, feed_in=0, imbalance=1, fee=0)
    assert settle(sold=[(1, 1), (1, 1)], prices=prices).shortfall_micro == 2


def test_no_shortfall_charge_when_imbalance_is_cheaper_than_clearing():
    prices = SettlementPrices(clearing=120_000, retail_import=200_000, feed_in=0, imbalance=90_000, fee=0)
    assert settle(sold=[(1_000, NO_CAP)], prices=prices).shortfall_micro == 0


def test_charges_round_up_and_credits_round_down():
    prices = SettlementPrices(clearing=1, retail_import=1, feed_in=1, imbalance=1, fee=1)
    buyer = settle(imported_wh=2, bought_wh=1, prices=prices)
    assert (buyer.purchase_micro, buyer.retail_micro, buyer.fee_micro) == (1, 1, 1)
    seller = settle(exported_wh=2, sold=[(1, 0)], prices=prices)
    assert (seller.sale_micro, seller.feed_in_micro, seller.fee_micro) == (0, 0, 1)


def test_missing_reading_takes_what_was_bought_and_delivers_nothing():
    assert fallback(700) == (700, 0)
    result = settle_interval(
        [MeterInterval("a", None, None, 0, ((700, NO_CAP),)), MeterInterval("b", 700, 0, 700)], PRICES
    )
    assert result.estimated == (True, False)
    assert result.lines[0].delivered_wh == 0
    assert result.lines[0].shortfall_micro == 700 * 140


def test_interval_conserves_money():
    result = settle_interval(
        [
            MeterInterval("a", 0, 1_234, 0, ((777, NO_CAP), (222, 3))),
            MeterInterval("b", 1_001, 0, 999),
            MeterInterval("c", 333, 0, 0),
        ],
        PRICES,
    )
    paid_in = sum(line.net_micro for line in result.lines)
    assert paid_in == result.retailer_delta_micro + result.fees_micro
    assert result.fees_micro == 999 + 999


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"imported_wh": -1}, "imported_wh"),
        ({"sold": [(5, -1)]}, "sold"),
        ({"prices": SettlementPrices(1, 1, 1, 1, -1)}, "prices.fee"),
    ],
)
def test_negative_figures_are_refused_by_name(change, field):
    with pytest.raises(FieldError) as caught:
        settle(**change)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("meters", "field"),
    [
        ([MeterInterval("a", 0, 0, 5)], "sold"),
        ([MeterInterval("a", 0, 0, 0), MeterInterval("a", 0, 0, 0)], "meter_id"),
        ([MeterInterval("a", 0, None, 0)], "exported_wh"),
    ],
)
def test_an_interval_that_does_not_add_up_is_refused(meters, field):
    with pytest.raises(FieldError) as caught:
        settle_interval(meters, PRICES)
    assert caught.value.field == field


def vector_cases():
    vectors = Path(__file__).parents[3] / "contracts" / "vectors" / "settlement.json"
    return json.loads(vectors.read_text())["cases"]


@pytest.mark.parametrize("case", vector_cases(), ids=lambda case: case["name"])
def test_vectors_shared_with_solidity(case):
    reading = case["reading"] and (case["reading"]["imported_wh"], case["reading"]["exported_wh"])
    sold = [(order["energy_wh"], order["imbalance_cap"]) for order in case["sold"]]
    imported_wh, exported_wh = reading or fallback(case["bought_wh"])
    line = settle(imported_wh, exported_wh, case["bought_wh"], sold, SettlementPrices(**case["prices"]))
    assert asdict(line) == case["line"]
    assert line.net_micro == case["net_micro"]
    assert case["estimated"] == (case["reading"] is None)
