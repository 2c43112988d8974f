"""Long holes of a series, as one mistyped year leaves them: gap rows for a century must not fill a disk.

Which of two distant rows has the wrong date cannot be told from them. So a row that stands alone, far from
all others of its series, is rejected. A hole between rows that have neighbours may be real: it is filled with
gaps, and refused where nothing real is away for so long.
"""

from pathlib import Path

import ibis
import ibis.expr.types as ir

from domain.errors import FieldError
from forecasting.lake import cells
from forecasting.lake.engines import Engine
from forecasting.lake.zones import DAY_S

FAR = "far_from_the_others"
FAR_S = 400 * DAY_S  # a year and some: files often hold a year, and one of them may be missing
HOLE_S = 3_653 * DAY_S  # ten years


def bounded(placed: ir.Table, *, engine: Engine, scratch: Path) -> ir.Table:
    """Placed rows (``silver.placed``) of which no two consecutive ones are more than ten years apart.

    Rejects rows that are farther than 400 days from all others of their series. Raises FieldError where a
    hole of more than ten years is left. Costs one look at the rows unless there is a long hole.
    """
    if _widest_s(engine, placed) <= FAR_S:
        return placed
    engine.write(_without_far(placed), scratch / "bounded")
    found = engine.read(scratch / "bounded")
    if _widest_s(engine, found) > HOLE_S:
        raise _refusal(engine, found)
    return found


def _widest_s(engine: Engine, rows: ir.Table) -> int:
    """The longest way from a row that stands to the next one of its series, in seconds."""
    standing = rows.filter(rows["reason"].isnull())
    [found] = engine.rows(standing.aggregate(widest=(standing["next_s"] - standing["start_s"]).max()))
    return int(found["widest"] or 0)


def _without_far(rows: ir.Table) -> ir.Table:
    """The same rows with a reason for those that stand alone, and the next start without them."""
    rows = rows.mutate(stands=rows["reason"].isnull())
    order = ibis.window(group_by=["stands", "series"], order_by=["start_s", "arrival"])
    start_s = rows["start_s"]
    rows = rows.mutate(
        since_s=start_s - start_s.lag().over(order),
        until_s=start_s.lead().over(order) - start_s,
    )
    since_s, until_s = rows["since_s"], rows["until_s"]
    is_far = (
        rows["stands"]
        & (since_s.notnull() | until_s.notnull())
        & ((since_s > FAR_S) | since_s.isnull())
        & ((until_s > FAR_S) | until_s.isnull())
    )
    rows = rows.mutate(reason=cells.case((is_far, FAR), otherwise=rows["reason"]))
    rows = rows.mutate(stands=rows["reason"].isnull())
    rows = rows.mutate(next_s=rows["start_s"].lead().over(order))
    return rows.drop("stands", "since_s", "until_s")


def _refusal(engine: Engine, rows: ir.Table) -> FieldError:
    """What is wrong with the first hole of more than ten years."""
    before = rows.filter(rows["reason"].isnull() & (rows["next_s"] - rows["start_s"] > HOLE_S))
    chosen = before.select(
        "series",
        last=cells.instant(before["start_s"]).strftime("%Y-%m-%d"),
        next=cells.instant(before["next_s"]).strftime("%Y-%m-%d"),
    )
    hole = engine.rows(chosen.order_by("series", "last").limit(1))[0]
    message = f"has rows of {hole['last']} and {hole['next']} and none for more than ten years between them"
    return FieldError(f"series {hole['series']}", f"{message}: is a year mistyped?", code="too_long_a_hole")
