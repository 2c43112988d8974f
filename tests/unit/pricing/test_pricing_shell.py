"""``python -m pricing`` on real files."""

import json

import pytest

from pricing.__main__ import main

HEADER = "order_id,participant_id,meter_id,side,energy_wh,limit_micro_per_kwh,placed_at\n"


def test_clear(tmp_path):
    orders, out = tmp_path / "orders.csv", tmp_path / "clearing.json"
    orders.write_text(
        HEADER
        + "b,ana,m1,buy,500,150000,2026-01-01T00:00:00Z\n"
        + "s,rui,m2,sell,400,100000,2026-01-01T00:00:00Z\n"
    )
    assert main(["clear", "--orders", str(orders), "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert (result["price_micro_per_kwh"], result["traded_wh"]) == (125_000, 400)
    assert result["trades"][0]["buy_order_id"] == "b"


def test_settle(tmp_path):
    interval, out = tmp_path / "interval.json", tmp_path / "lines.json"
    prices = {
        "clearing": 120_000,
        "retail_import": 200_000,
        "feed_in": 50_000,
        "imbalance": 260_000,
        "fee": 0,
    }
    meters = [
        {"meter_id": "a", "imported_wh": None, "exported_wh": None, "bought": [[400, 120_000]]},
        {"meter_id": "b", "imported_wh": 0, "exported_wh": 400, "sold": [[400, 120_000, 10]]},
    ]
    interval.write_text(json.dumps({"interval_s": 900, "prices": prices, "meters": meters}))
    assert main(["settle", "--interval", str(interval), "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert [line["net_micro"] for line in result["lines"]] == [48_000, -48_000]
    assert [line["estimated"] for line in result["lines"]] == [True, False]
    assert result["retailer_delta_micro"] == 0


@pytest.mark.parametrize(
    "row", ["b,ana,m1,buy,-5,150000,2026-01-01T00:00:00Z", "b,ana,m1,borrow,5,150000,2026-01-01T00:00:00Z"]
)
def test_refused_input_leaves_no_result(tmp_path, capsys, row):
    orders, out = tmp_path / "orders.csv", tmp_path / "clearing.json"
    orders.write_text(HEADER + row + "\n")
    assert main(["clear", "--orders", str(orders), "--out", str(out)]) == 2
    assert not out.exists()
    assert "Error" in capsys.readouterr().err
