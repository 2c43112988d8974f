"""The audit notices whatever does not follow from the logs themselves."""

from itertools import chain

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from backend.chain.values import Log
from backend.settlement import events
from backend.settlement.audit import derive
from domain.meter_ids import meter_id

ANA, BEN, RETAILER, FUND = (f"0x{digit * 40}" for digit in "1234")
START = 1_700_000_000 // 3600 * 3600
PRICES = events.Prices(clearing=130_000, retail_import=210_000, feed_in=80_000, imbalance=210_000, fee=2_000)
NO_CAP = 2**32 - 1
READINGS = [(ANA, 0, 2_500, 0), (BEN, 0, 0, 1_800)]
FILLS = [(0, 0, 3, 2_000), (1, 1, 7, 2_000)]
# Ana buys 2,000 Wh and imports 500 more; Ben sells 2,000 Wh and delivers 1,800.
NET_ANA = 260_000 + 4_000 + 105_000
NET_BEN = 16_000 + 3_600 - 234_000
FEES = 4_000 + 3_600
RETAILER_MICRO = NET_ANA + NET_BEN - FEES


def log(name, indexed=(), data=()):
    types = [kind for kind, _ in (*indexed, *data)]
    topics = (
        keccak(text=f"{name}({','.join(types)})"),
        *(encode([kind], [value]) for kind, value in indexed),
    )
    return Log(topics, encode([kind for kind, _ in data], [value for _, value in data]), "0xfeed")


def deposited(account, amount):
    return log("Deposited", [("address", account), ("address", account)], [("uint256", amount)])


def committed():
    return log("BatchCommitted", [("uint64", START)], [("bytes32", b"r" * 32)])


def released():
    return log("IntervalReleased", [("uint64", START)])


def unpaid(account, amount):
    return log("Unpaid", [("uint64", START), ("address", account)], [("uint256", amount)])


def missing(account, number, import_wh):
    indexed = [("uint64", START), ("address", account)]
    return log("ReadingMissing", indexed, [("uint16", number), ("uint256", import_wh)])


def short(number=1, cap=NO_CAP):
    return log("SaleShort", [("uint64", START)], [("uint16", number), ("uint32", cap)])


def traded(energy_wh=2_000, price=PRICES.clearing, *, start=START, seller=(1, 7), parties=(ANA, BEN)):
    """``seller`` by the position of its meter and the order's k."""
    word = start << 64 | energy_wh << 32 | price
    for at, (position, k) in ((104, (0, 3)), (136, seller)):
        word |= k << at | position << at + 16
    return log("TradeSettled", [("address", party) for party in parties], [("uint256", word)])


def settled(retailer_micro=RETAILER_MICRO, *, readings=READINGS, fills=FILLS, lines=None):
    prices = 0
    for price in PRICES:
        prices = prices << 32 | price
    summary = prices | retailer_micro % 2**80 << 160 | len(readings) << 240
    listed = b"".join(
        bytes.fromhex(account[2:]) + number.to_bytes(2) + import_wh.to_bytes(4) + export_wh.to_bytes(4)
        for account, number, import_wh, export_wh in readings
    )
    executed = b"".join(
        place.to_bytes(2) + bytes([side << 7, k]) + wh.to_bytes(4) for place, side, k, wh in fills
    )
    data = [("uint256", summary), ("bytes", listed + bytes(2) + executed if lines is None else lines)]
    return log("BatchSettled", [("uint64", START)], data)


def day(**changes):
    """One interval in which everything adds up, but for what is changed."""
    logs = {
        "ana": deposited(ANA, 10**6),
        "ben": deposited(BEN, 10**6),
        "commit": committed(),
        "short": short(),
        "before": None,
        "end": settled(),
    } | changes
    listed = chain.from_iterable(entry if isinstance(entry, list) else [entry] for entry in logs.values())
    return derive(filter(None, listed), retailer=RETAILER, fund=FUND)


def test_balances_and_bills_follow_from_the_logs():
    audit = day()
    assert audit.problems == []
    assert audit.balances == {
        ANA: 10**6 - NET_ANA,
        BEN: 10**6 - NET_BEN,
        RETAILER: RETAILER_MICRO,
        FUND: FEES,
    }
    assert sum(audit.balances.values()) == 2 * 10**6
    interval = audit.intervals[START]
    assert interval.bills[meter_id(ANA, 0)].line.retail_import_wh == 500
    assert interval.bills[meter_id(BEN, 0)].line.shortfall_micro == 16_000
    assert interval.trades == [events.Traded(ANA, BEN, 2_000, PRICES.clearing)]


def test_withdrawals_and_what_a_member_could_not_pay_count():
    asked = log("WithdrawalRequested", [("address", BEN)], [("uint256", 10), ("uint64", START)])
    withdrawn = log("Withdrawn", [("address", BEN)], [("uint256", 10)])
    audit = day(asked=asked, before=unpaid(ANA, 1_000), end=settled(RETAILER_MICRO - 1_000), out=withdrawn)
    assert audit.problems == []
    assert audit.balances[BEN] == 10**6 - NET_BEN - 10
    assert audit.balances[ANA] == 10**6 - NET_ANA + 1_000


def test_what_was_asked_to_be_withdrawn_may_cover_a_debt():
    asked = log("WithdrawalRequested", [("address", ANA)], [("uint256", 10**6), ("uint64", START)])
    reduced = log("WithdrawalReduced", [("address", ANA)], [("uint256", NET_ANA)])
    audit = day(before=[asked, reduced])
    assert audit.problems == []
    assert (audit.balances[ANA], audit.withdrawals[ANA]) == (0, 10**6 - NET_ANA)


def test_a_missing_reading_is_what_the_chain_says_it_is_taken_to_be():
    readings = [(ANA, events.MISSING_FLAG, 0, 0), READINGS[1]]
    estimate = day(before=missing(ANA, 0, 2_500), end=settled(readings=readings))
    assert estimate.problems == []
    bill = estimate.intervals[START].bills[meter_id(ANA, 0)]
    assert (bill.estimated, bill.line.imported_wh) == (True, 2_500)


def test_bilateral_trades_are_named_one_by_one():
    audit = day(short=short(number=0), before=traded(), end=settled(fills=[]))
    assert audit.problems == []
    assert audit.balances[ANA] == 10**6 - NET_ANA
    assert audit.balances[BEN] == 10**6 - NET_BEN
    assert audit.intervals[START].trades == [events.Traded(ANA, BEN, 2_000, PRICES.clearing)]


def test_a_short_sale_costs_no_more_than_its_seller_agreed_to():
    audit = day(short=short(cap=30_000), end=settled(RETAILER_MICRO - 10_000))
    assert audit.problems == []
    assert audit.intervals[START].bills[meter_id(BEN, 0)].line.shortfall_micro == 6_000


def test_trades_share_an_export_in_the_order_in_which_they_are_said_to_be_short():
    """Ben exports 1,800 Wh and sells, in the order of the batch, 1,000 (trade 1), 1,000 (2), 500 (0)."""
    trades = [traded(500, 100_000), traded(1_000, 110_000), traded(1_000, 120_000), traded(0, 130_000)]
    said = [short(number=2, cap=50_000), short(number=0, cap=NO_CAP)]
    ben = 110_000 + 96_000 - 200 * 50_000 // 1000 - 500 * 110_000 // 1000 - 1_800 * PRICES.fee // 1000
    ana = 50_000 + 110_000 + 120_000 + 5_000
    audit = day(short=said, before=trades, end=settled(ana - ben - 8_600, fills=[]))
    assert audit.problems == []
    assert audit.balances[BEN] == 10**6 + ben
    assert audit.balances[ANA] == 10**6 - ana


def test_what_the_retailer_pays_is_negative():
    readings = [(ANA, 0, 0, 1_000), (BEN, 0, 0, 0)]
    audit = day(
        short=None, end=settled(-80_000, readings=readings, fills=[]), pays=deposited(RETAILER, 80_000)
    )
    assert audit.problems == []
    assert audit.balances[RETAILER] == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"end": settled(RETAILER_MICRO + 1)}, "arrive"),
        ({"end": settled(readings=[(ANA, 0, 2_501, 0), READINGS[1]])}, "arrive"),
        ({"commit": None}, "nobody had committed"),
        ({"commit": released()}, "after it had been released"),
        ({"end": settled(fills=FILLS[:1])}, "were bought and 0 Wh sold"),
        ({"end": settled(fills=FILLS[::-1])}, "not in the order of meters"),
        ({"end": settled(readings=READINGS[::-1])}, "not in the order of meters"),
        (
            {"short": short(number=0), "before": traded(parties=(ANA, RETAILER)), "end": settled(fills=[])},
            "not between the accounts",
        ),
        ({"short": None}, "sale 1 was not delivered in full"),
        ({"short": short(number=0)}, "sale 1 was not delivered in full"),
        ({"short": [short(number=0), short()]}, "sale 0 is said to be short, and is not"),
        ({"short": [short(), short(number=2)]}, "sale 2 is said to be short, and is not"),
        ({"short": [short(), short()]}, "sale 1 is said to be short 2 times"),
        ({"short": None, "before": traded(), "end": settled(fills=[])}, "sale 0 was not delivered in full"),
        ({"again": settled()}, "billed twice"),
        ({"before": unpaid(ANA, NET_ANA + 1)}, "left more unpaid than it owed"),
        ({"after": unpaid(ANA, 1)}, "belongs to no settlement"),
        ({"ana": None}, "less than nothing"),
        (
            {"before": log("CreditReduced", [("uint64", START), ("address", BEN)], [("uint256", 1_000)])},
            "arrive",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_add_up_is_noticed(changes, said):
    assert any(said in problem for problem in day(**changes).problems)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"end": settled(lines=bytes(61))}, "61 bytes are no list of 2 meters"),
        ({"end": settled(lines=bytes(62 + 9))}, "71 bytes are no list of 2 meters"),
        ({"end": settled(lines=bytes(60) + b"\x00\x01")}, "62 bytes are no list of 2 meters"),
        ({"end": settled(fills=[*FILLS, (2, 0, 0, 0)])}, "belongs to no meter"),
        ({"before": traded(seller=(2, 7)), "end": settled(fills=[])}, "belongs to no meter"),
        ({"before": traded(start=START + 900), "end": settled(fills=[])}, "none of the interval"),
        ({"before": traded(seller=(1, 0x107)), "end": settled(fills=[])}, "none of the interval"),
        ({"before": traded()}, "and orders at the clearing price"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bytes_that_are_not_laid_out_as_they_should_be_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        day(**changes)
