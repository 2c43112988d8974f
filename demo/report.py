"""A day's report as tables for people."""

from typing import Any

from rich.console import Group
from rich.table import Table

from domain.units import MICRO_PER_UNIT


def report_table(report: dict[str, Any]) -> Group:
    """What each member paid with and without the community, and the day's figures."""
    currency = report["currency"]
    members = Table(title=f"{report['scenario']}  {report['from']} to {report['to']}", title_justify="left")
    members.add_column("member")
    for heading in ("cost", "without", "saved"):
        members.add_column(f"{heading} ({currency})", justify="right")
    total = {key: report[key] for key in ("cost_micro", "cost_without_micro", "saved_micro")}
    for row in [*report["members"], {"pseudonym": "all", **total}]:
        amounts = (f"{row[key] / MICRO_PER_UNIT:.3f}" for key in total)
        members.add_row(row["pseudonym"], *amounts, style="bold" if row["pseudonym"] == "all" else None)
    figures = Table(show_header=False, box=None)
    for name, value in _figures(report):
        figures.add_row(name, value)
    return Group(members, figures)


def _figures(report: dict[str, Any]) -> list[tuple[str, str]]:
    figures = [
        ("intervals settled", f"{report['settled_intervals']} of {report['intervals']}"),
        ("money conserved", "yes" if report["conserved"] else "NO"),
        ("load", f"{report['load_kwh']:.1f} kWh"),
        ("self-sufficiency", _percent(report["self_sufficiency"])),
        (
            "peak import",
            f"{report['peak_import_kw']:.2f} kW ({report['peak_import_without_kw']:.2f} without)",
        ),
        ("traded between members", f"{report['traded_kwh']:.2f} kWh in {report['trades']} trades"),
        ("gas per trade", "-" if report["gas_per_trade"] is None else f"{report['gas_per_trade']:,}"),
    ]
    for quantity, errors in report["forecast_error"].items():
        for name, value in errors.items():
            figures.append((f"{quantity} forecast {name}", "-" if value is None else f"{value:.4f}"))
    return figures


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
