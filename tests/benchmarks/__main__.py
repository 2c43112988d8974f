"""``python -m tests.benchmarks [NAME ...] [--scale 1]``: time, print a table, write build/bench/NAME.json."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.registry import store
from tests.benchmarks.suite import BENCHMARKS

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"


def main() -> int:
    """Run what was asked for; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    missed = False
    for name in arguments.names or BENCHMARKS:
        rows = BENCHMARKS[name](arguments.scale)
        store(name, rows, FOLDER)
        table = Table("metric", "value", "unit", "target", "holds", title=name)
        for row in rows:
            holds = {None: "", True: "yes", False: "NO"}[row.holds]
            table.add_row(row.metric, f"{row.value:,.6g}", row.unit, row.target, holds)
        Console().print(table)
        missed |= any(row.holds is False for row in rows)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
