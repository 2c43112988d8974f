"""Settlement arithmetic: hand-computed cases, and the vectors that Solidity and TypeScript read too."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from domain.errors import FieldError
from domain.market import SettlementPrices
from pricing.settlement import MeterInterval, Purchase, Sale, fallback, settle_interval, settle_meter

PRICES = SettlementPrices(
    clearing=120_000, retail_import=200_000, feed_in=50_000, imbalance=260_000, fee=1_000
)
NO_CAP = 10**9


def settle(imported_wh=0, exported_wh=0, bought_wh=0, sold=(), prices=PRICES):
    """At the clearing price; `sold` are (Wh, cap)."""
    return settle_meter(
        imported_wh=imported_wh,
        exported_wh=exported_wh,
        bought=[Purchase(bought_wh, prices.clearing)],
        sold=[Sale(wh, prices.clearing, cap) for wh, cap in sold],
        prices=prices,
    )


def meter(name, reading, bought_wh=0, sold=()):
    bought = (Purchase(bought_wh, PRICES.clearing),) if bought_wh else ()
    return MeterInterval(
        name,
        *reading,
        bought,
        tuple(Sale(wh, PRICES.clearing, cap) for wh, cap in sold),
        fallback_import_w=100,
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


def test_purchase_sale_and_shortfall_are_rounded_once_over_their_sums():
    prices = SettlementPrices(clearing=0, retail_import=0, feed_in=0, imbalance=1, fee=0)
    assert settle(sold=[(1, 1), (1, 1)], prices=prices).shortfall_micro == 1
    line = settle_meter(
        imported_wh=11,
        exported_wh=7,
        bought=[Purchase(5, 100_100), Purchase(6, 99_950)],
        sold=[Sale(5, 100_100, NO_CAP), Sale(6, 99_950, NO_CAP)],
        prices=PRICES,
    )
    assert line.purchase_micro == 1_101  # 1,100.2, of 500.5 and 599.7
    assert line.sale_micro == 700  # 700.4, of 500.5 and 199.9
    assert line.shortfall_micro == 641  # 4 Wh at 260,000 - 99,950


def test_each_trade_has_its_own_price():
    line = settle_meter(
        imported_wh=0,
        exported_wh=1_000,
        bought=[],
        sold=[Sale(1_000, 90_000, NO_CAP), Sale(1_000, 250_000, NO_CAP)],
        prices=PRICES,
    )
    assert (line.sale_micro, line.shortfall_micro) == (90_000, 10_000)


def test_no_shortfall_charge_when_imbalance_is_cheaper_than_clearing():
    prices = SettlementPrices(clearing=120_000, retail_import=200_000, feed_in=0, imbalance=90_000, fee=0)
    assert settle(sold=[(1_000, NO_CAP)], prices=prices).shortfall_micro == 0


def test_charges_round_up_and_credits_round_down():
    prices = SettlementPrices(clearing=1, retail_import=1, feed_in=1, imbalance=1, fee=1)
    buyer = settle(imported_wh=2, bought_wh=1, prices=prices)
    assert (buyer.purchase_micro, buyer.retail_micro, buyer.fee_micro) == (1, 1, 1)
    seller = settle(exported_wh=2, sold=[(1, 0)], prices=prices)
    assert (seller.sale_micro, seller.feed_in_micro, seller.fee_micro) == (0, 0, 1)


def test_missing_reading_takes_what_was_bought_or_agreed_and_delivers_nothing():
    assert fallback(700, import_w=100, interval_s=3_600) == (700, 0)
    assert fallback(24, import_w=101, interval_s=900) == (25, 0)
    meters = [
        meter("a", (None, None), sold=[(700, NO_CAP)]),
        meter("b", (700, 0), 700),
        meter("c", (None, None)),
    ]
    result = settle_interval(meters, PRICES, interval_s=900)
    assert result.estimated == (True, False, True)
    assert result.lines[0].delivered_wh == 0
    assert result.lines[0].shortfall_micro == 700 * 140
    assert [line.imported_wh for line in result.lines] == [25, 700, 25]


def test_interval_conserves_money():
    meters = [
        meter("a", (0, 1_234), sold=((777, NO_CAP), (222, 3))),
        meter("b", (1_001, 0), 999),
        meter("c", (333, 0)),
    ]
    result = settle_interval(meters, PRICES, interval_s=900)
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
        ([meter("a", (0, 0), 5)], "sold"),
        ([meter("a", (0, 0)), meter("a", (0, 0))], "meter_id"),
        ([meter("a", (0, None))], "exported_wh"),
    ],
)
def test_an_interval_that_does_not_add_up_is_refused(meters, field):
    with pytest.raises(FieldError) as caught:
        settle_interval(meters, PRICES, interval_s=900)
    assert caught.value.field == field


def vector_cases():
    vectors = Path(__file__).parents[3] / "contracts" / "vectors" / "settlement.json"
    return json.loads(vectors.read_text())["cases"]


@pytest.mark.parametrize("case", vector_cases(), ids=lambda case: case["name"])
def test_vectors_shared_with_solidity(case):
    reading = case["reading"] and (case["reading"]["imported_wh"], case["reading"]["exported_wh"])
    bought_wh = sum(bought["energy_wh"] for bought in case["bought"])
    imported_wh, exported_wh = reading or (max(bought_wh, case["fallback_import_wh"]), 0)
    line = settle_meter(
        imported_wh=imported_wh,
        exported_wh=exported_wh,
        bought=[Purchase(**bought) for bought in case["bought"]],
        sold=[Sale(**sold) for sold in case["sold"]],
        prices=SettlementPrices(**case["prices"]),
    )
    assert asdict(line) == case["line"]
    assert line.net_micro == case["net_micro"]
    assert case["estimated"] == (case["reading"] is None)
