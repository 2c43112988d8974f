"""The auction and the settlement from the shell.

``python -m pricing clear --orders ORDERS.csv --out CLEARING.json``
    columns order_id, participant_id, meter_id, side (buy or sell), energy_wh, limit_micro_per_kwh, placed_at,
    and, where an owner has several orders, k
``python -m pricing settle --interval INTERVAL.json --out SETTLEMENT.json``
    ``{"interval_s": 900, "prices": {clearing, retail_import, feed_in, imbalance, fee}, "meters": [{meter_id,
    imported_wh, exported_wh, bought: [[energy_wh, price], ...],
    sold: [[energy_wh, price, imbalance_cap], ...], fallback_import_w}]}``;
    null for a reading that is missing; bought, sold and fallback may be absent
"""

import argparse
import csv
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.market import Order, SettlementPrices, Side
from pricing.auction import clear
from pricing.settlement import MeterInterval, Purchase, Sale, settle_interval


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 when the result was written, 2 when the input was refused (the reason on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m pricing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    clear_command = commands.add_parser("clear", help="run the call auction")
    clear_command.add_argument("--orders", type=Path, required=True)
    settle_command = commands.add_parser("settle", help="settle one delivery interval")
    settle_command.add_argument("--interval", type=Path, required=True)
    for command in (clear_command, settle_command):
        command.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        result = _clear(given.orders) if given.command == "clear" else _settle(given.interval)
    except (ValueError, KeyError, TypeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _clear(path: Path) -> dict[str, Any]:
    with path.open(newline="") as rows:
        return asdict(clear([_order(row) for row in csv.DictReader(rows)]))


def _order(row: dict[str, str]) -> Order:
    return Order(
        order_id=row["order_id"],
        participant_id=row["participant_id"],
        meter_id=row["meter_id"],
        side=Side(row["side"]),
        energy_wh=int(row["energy_wh"]),
        limit_micro_per_kwh=int(row["limit_micro_per_kwh"]),
        placed_at=datetime.fromisoformat(row["placed_at"]),
        k=int(row.get("k") or 0),
    )


def _settle(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text())
    meters = [
        MeterInterval(
            **meter
            | {
                "bought": tuple(Purchase(*bought) for bought in meter.get("bought", ())),
                "sold": tuple(Sale(*sold) for sold in meter.get("sold", ())),
            }
        )
        for meter in document["meters"]
    ]
    prices = SettlementPrices(**document["prices"])
    result = settle_interval(meters, prices, interval_s=document["interval_s"])
    lines = [
        {"meter_id": meter.meter_id, "estimated": estimated, **asdict(line), "net_micro": line.net_micro}
        for meter, line, estimated in zip(meters, result.lines, result.estimated, strict=True)
    ]
    return {
        "lines": lines,
        "retailer_delta_micro": result.retailer_delta_micro,
        "fees_micro": result.fees_micro,
    }


if __name__ == "__main__":
    raise SystemExit(main())
