"""``python -m forecasting health report|train``."""

import csv
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from forecasting.health.cells import FOLDER, read_cells
from forecasting.health.model import WEIGHTS, Outlook, load, outlook
from forecasting.health.training import make

COLUMNS = ("cell", "cycles", "quantity", "ahead", "low", "expected", "high")


def add_health_parser(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add ``health`` with its two commands; ``run`` does what they ask."""
    health = commands.add_parser("health", help="of battery cells: state, fade, remaining life, alarm")
    actions = health.add_subparsers(dest="action", required=True)
    report = actions.add_parser("report", help="one CSV row a quantity and cell, after its newest cycle")
    report.add_argument("--csv", type=Path, required=True, help="cycles, as docs/battery-health.md describes")
    report.add_argument("--rated-ah", type=float, required=True, help="capacity by the data sheet")
    report.add_argument(
        "--end-of-life", type=float, default=0.8, help="SoH, as a share of the rated capacity"
    )
    report.add_argument("--weights", type=Path, default=WEIGHTS)
    train = actions.add_parser("train", help="make the weights, with figures on cells held out")
    train.add_argument("--data", type=Path, default=FOLDER, help="folder of the three published sets")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--out", type=Path, default=WEIGHTS)


def run(options: Namespace) -> None:
    """Do what was asked. FieldError and OSError say what is wrong with a file."""
    if options.action == "train":
        make(seed=options.seed, folder=options.out, data=options.data)
        return
    cells = read_cells(options.csv, rated_ah=options.rated_ah, end_of_life=options.end_of_life)
    learned = load(options.weights)
    said = [(cell.name, outlook(learned, cell)) for cell in cells]  # before a row is written: all or none
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, seen in said:
        writer.writerows([name, seen.cycles, *row] for row in _rows(seen))


def _rows(said: Outlook) -> list[tuple[str | int, ...]]:
    """Quantity, cycles ahead, lower bound, expected, upper bound; empty where there is none."""
    charge = "" if said.soh_by_charge is None else f"{said.soh_by_charge:.4f}"
    low, middle, high = (f"{cycles:.0f}" for cycles in said.cycles_left)
    alarm = "" if said.alarm_cycle is None else said.alarm_cycle
    return [
        ("soh", 0, "", f"{said.soh:.4f}", ""),
        ("soh_by_charge", 0, "", charge, ""),
        *(
            ("soh", lead, f"{low:.4f}", f"{expected:.4f}", f"{high:.4f}")
            for lead, (low, expected, high) in said.soh_ahead.items()
        ),
        ("cycles_left", 0, low, middle, high),
        ("alarm_cycle", 0, "", alarm, ""),
    ]
