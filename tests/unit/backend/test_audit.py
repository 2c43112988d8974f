"""The audit notices whatever does not follow from the logs themselves."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from backend.settlement.audit import Line, Log, Prices, derive

ANA, BEN, RETAILER, FUND = (f"0x{digit * 40}" for digit in "1234")
START = 1_700_000_000 // 3600 * 3600
PRICES = Prices(clearing=130_000, retail_import=210_000, feed_in=80_000, imbalance=210_000, fee=2_000)
BOUGHT = Line(2_500, 0, 2_000, 0, 0, 500, 0, 260_000, 0, 0, 4_000, 105_000, 0)
SOLD = Line(0, 1_800, 0, 2_000, 1_800, 0, 0, 0, 234_000, 16_000, 3_600, 0, 0)
LINE_TYPES = f"({','.join(['uint64'] * 7 + ['uint128'] * 6)})"


def log(name, indexed, data):
    types = [kind for kind, _ in indexed + data]
    topics = (
        keccak(text=f"{name}({','.join(types)})"),
        *(encode([kind], [value]) for kind, value in indexed),
    )
    return Log(topics, encode([kind for kind, _ in data], [value for _, value in data]), "0xfeed")


def deposited(account, amount):
    return log("Deposited", [("address", account), ("address", account)], [("uint256", amount)])


def committed():
    return log("BatchCommitted", [("uint64", START)], [("bytes32", b"r" * 32)])


def traded(price=PRICES.clearing):
    indexed = [("uint64", START), ("address", ANA), ("address", BEN)]
    return log(
        "TradeSettled",
        indexed,
        [("bytes32", b"b" * 32), ("bytes32", b"s" * 32), ("uint64", 2_000), ("uint64", price)],
    )


def billed(account, line):
    indexed = [("uint64", START), ("address", account), ("bytes32", bytes.fromhex(account[2:]).ljust(32))]
    return log("MemberSettled", indexed, [(LINE_TYPES, tuple(line)), ("bool", False)])


def settled(retailer_micro):
    prices = ("(uint64,uint64,uint64,uint64,uint64)", tuple(PRICES))
    return log("BatchSettled", [("uint64", START)], [prices, ("int256", retailer_micro)])


NET_ANA, NET_BEN = BOUGHT.net_micro, SOLD.net_micro
FEES = BOUGHT.fee_micro + SOLD.fee_micro
RETAILER_MICRO = NET_ANA + NET_BEN - FEES


def day(**changes):
    """One interval in which everything adds up, but for what is changed."""
    logs = {
        "ana": deposited(ANA, 10**6),
        "ben": deposited(BEN, 10**6),
        "commit": committed(),
        "trade": traded(),
        "bought": billed(ANA, BOUGHT),
        "sold": billed(BEN, SOLD),
        "end": settled(RETAILER_MICRO),
    } | changes
    return derive([entry for entry in logs.values() if entry], retailer=RETAILER, fund=FUND)


def test_balances_follow_from_the_logs():
    audit = day()
    assert audit.problems == []
    assert audit.balances == {
        ANA: 10**6 - NET_ANA,
        BEN: 10**6 - NET_BEN,
        RETAILER: RETAILER_MICRO,
        FUND: FEES,
    }
    assert sum(audit.balances.values()) == 2 * 10**6


def test_withdrawals_and_what_a_member_could_not_pay_count():
    withdrawn = log("Withdrawn", [("address", BEN)], [("uint256", 10)])
    unpaid = log("Unpaid", [("uint64", START), ("address", ANA)], [("uint256", 1_000)])
    audit = day(withdrawn=withdrawn, unpaid=unpaid, end=settled(RETAILER_MICRO - 1_000))
    assert audit.problems == []
    assert audit.balances[BEN] == 10**6 - NET_BEN - 10
    assert audit.balances[ANA] == 10**6 - NET_ANA + 1_000


def test_money_from_nowhere_is_noticed():
    assert any("arrive" in problem for problem in day(end=settled(RETAILER_MICRO + 1)).problems)


def test_a_bill_that_does_not_follow_from_its_quantities_is_noticed():
    dearer = BOUGHT._replace(retail_micro=BOUGHT.retail_micro + 1)
    audit = day(bought=billed(ANA, dearer), end=settled(RETAILER_MICRO + 1))
    assert any("recomputed" in problem for problem in audit.problems)


def test_trades_that_nobody_committed_are_noticed():
    assert any("nobody had committed" in problem for problem in day(commit=None).problems)


def test_trades_that_are_not_billed_are_noticed():
    assert any("bought_wh" in problem for problem in day(trade=None).problems)


def test_a_price_other_than_the_clearing_price_is_noticed():
    assert any("clearing price" in problem for problem in day(trade=traded(1)).problems)


def test_a_meter_billed_twice_is_noticed():
    assert any("billed twice" in problem for problem in day(again=billed(ANA, BOUGHT)).problems)


def test_a_shortfall_dearer_than_the_imbalance_price_is_noticed():
    fined = SOLD._replace(shortfall_micro=17_000)
    audit = day(sold=billed(BEN, fined), end=settled(RETAILER_MICRO + 1_000))
    assert any("shortfall" in problem for problem in audit.problems)


def test_an_account_below_zero_is_noticed():
    assert any("less than nothing" in problem for problem in day(ana=None).problems)
