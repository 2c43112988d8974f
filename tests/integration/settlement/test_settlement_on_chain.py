"""From a match to money: commit before delivery, settle after, agree with the chain to the micro-unit."""

from datetime import timedelta

from backend.settlement.models import Settlement

OPENING, RETAILER = 50_000_000, 1_000_000_000
IMPORT, FEED_IN, FEE = 210_000, 80_000, 2_000
HOUR = timedelta(hours=1)


def test_a_trade_is_committed_before_delivery_and_settled_after(world):
    world.trade()
    world.commit()
    world.read_all()
    before = world.total()
    world.settle()
    settlement = Settlement.objects.get()
    assert settlement.agrees
    assert world.interval.state == "settled"
    price = world.interval.clearing_micro_per_kwh
    ana, ben = world.lines["ana"], world.lines["ben"]
    assert (ana.bought_wh, ana.retail_import_wh, ben.delivered_wh) == (2_000, 500, 1_800)
    assert ana.net_micro == 2 * price + 2 * FEE + IMPORT // 2
    assert ben.shortfall_micro == 200 * (IMPORT - price) // 1000
    for name, line in world.lines.items():
        assert world.balance(name) == OPENING - line.net_micro
    assert world.balance("fund") == settlement.fee_micro
    assert world.balance("retailer") == RETAILER + settlement.retailer_micro
    assert world.total() == before
