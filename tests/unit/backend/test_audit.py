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
FILLS = [(0, 0, 3, 2_000, 0, PRICES.clearing), (1, 1, 7, 2_000, NO_CAP, PRICES.clearing)]
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


def traded(energy_wh=2_000, price=PRICES.clearing):
    word = START << 64 | energy_wh << 32 | price
    return log("TradeSettled", [("address", ANA), ("address", BEN)], [("uint256", word)])


def settled(retailer_micro=RETAILER_MICRO, *, readings=READINGS, fills=FILLS, bilateral=False):
    prices = 0
    for price in PRICES:
        prices = prices << 32 | price
    listed = b"".join(
        bytes.fromhex(account[2:]) + number.to_bytes(2) + import_wh.to_bytes(4) + export_wh.to_bytes(4)
        for account, number, import_wh, export_wh in readings
    )
    size = events.BILATERAL_FILL_BYTES if bilateral else events.UNIFORM_FILL_BYTES
    executed = b"".join(
        (place.to_bytes(2) + bytes([side << 7, k]) + b"".join(n.to_bytes(4) for n in (wh, cap, price)))[:size]
        for place, side, k, wh, cap, price in fills
    )
    data = [
        ("uint256", prices),
        ("int256", retailer_micro),
        ("bytes", listed),
        ("bytes", executed),
    ]
    return log("BatchSettled", [("uint64", START)], data)


def day(**changes):
    """One interval in which everything adds up, but for what is changed."""
    logs = {
        "ana": deposited(ANA, 10**6),
        "ben": deposited(BEN, 10**6),
        "commit": committed(),
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
    audit = day(before=traded(), end=settled(bilateral=True))
    assert audit.problems == []
    assert audit.balances[ANA] == 10**6 - NET_ANA


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
        ({"before": traded(1_999), "end": settled(bilateral=True)}, "fills and trades differ"),
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


def test_lists_that_are_cut_short_are_refused():
    with pytest.raises(ValueError, match="are no list of entries of"):
        list(events._entries(b"x" * 31, 30))
