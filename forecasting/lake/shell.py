"""``python -m forecasting lake ingest|datasets``: the lake from the shell.

Settings: ``LAKE_ENGINE`` (``duckdb``, the default, or ``pyspark``) and ``LAKE_URL`` (a folder or ``s3://…``).
"""

import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace, _SubParsersAction
from datetime import UTC, datetime
from pathlib import Path

import httpx

from domain.errors import FieldError
from forecasting.lake.engines import DUCKDB, ENGINES, opened
from forecasting.lake.ingest import Report, ingest, reader_of
from forecasting.lake.portal import TIMEOUT, Fetcher, Freshness
from forecasting.lake.readers import READERS
from forecasting.lake.store import Store

DEFAULT_LAKE = ".commonwatt/lake"
BAD_INPUT = 2


def add_lake_parser(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add ``lake`` to a program's commands; ``run`` runs what it parses."""
    lake = commands.add_parser("lake", help="raw files to features", description=__doc__)
    actions = lake.add_subparsers(dest="action", required=True)
    actions.add_parser("datasets", help="list what can be read")
    command = actions.add_parser("ingest", help="take files, or a portal's, into bronze, silver and gold")
    command.add_argument("files", nargs="*", help="paths or URLs, as published; none with --resource")
    command.add_argument("--dataset", required=True, help="one of `lake datasets`")
    command.add_argument("--resource", help="fetch the portal's resource whose name contains this")
    command.add_argument("--lake", default=os.environ.get("LAKE_URL", DEFAULT_LAKE), help="folder or URL")
    command.add_argument("--engine", default=os.environ.get("LAKE_ENGINE", DUCKDB), help=" or ".join(ENGINES))
    command.add_argument("--cache", type=Path, default=Path(".commonwatt/portal"), help="of downloads")
    command.add_argument(
        "--seed", type=int, default=1, help="of a series simulated for a portal that is down"
    )


def run(options: Namespace) -> int:
    """Run a parsed command; 2 when the input cannot be accepted, with the reason on standard error."""
    if options.action == "datasets":
        for reader in READERS.values():
            print(f"{reader.dataset:<26}{reader.source}")
        return 0
    try:
        report = _ingest(options, datetime.now(UTC))
    except (FieldError, OSError) as error:
        print(f"{options.dataset}: {error}", file=sys.stderr)
        return BAD_INPUT
    print(described(report))
    return 0


def described(report: Report) -> str:
    """The report as text: a line of counts, then a line for each reason."""
    kept = f"{report.kept} kept + {report.rejected} rejected + {report.duplicates} duplicates"
    news = "" if report.changed else ", nothing new"
    lines = [f"{report.dataset}: {report.read} read = {kept}; {report.gaps} gaps{news}"]
    return "\n".join([*lines, *(f"  {count} {reason}" for reason, count in report.reasons.items())])


def _ingest(options: Namespace, now: datetime) -> Report:
    if bool(options.files) == bool(options.resource):
        raise FieldError("files", "name either files or --resource")
    files, origin, simulated = options.files, "", False
    if options.resource:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            fetcher = Fetcher(client=client, cache=options.cache, sleep=time.sleep)
            fetched = fetcher.fetch(
                reader_of(options.dataset), resource=options.resource, now=now, seed=options.seed
            )
        if fetched.trouble:
            print(f"{options.dataset}: {fetched.freshness}: {fetched.trouble}", file=sys.stderr)
        files, origin = [fetched.path], fetched.origin
        simulated = fetched.freshness == Freshness.SIMULATED
    lake = Store(options.lake)
    with (
        tempfile.TemporaryDirectory(prefix="lake-") as scratch,
        opened(options.engine, scratch=Path(scratch)) as engine,
    ):
        return ingest(
            files,
            dataset=options.dataset,
            lake=lake,
            engine=engine,
            now=now,
            simulated=simulated,
            origin=origin,
        )
