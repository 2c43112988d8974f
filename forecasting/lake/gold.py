"""Silver to gold: one row a series, quantity and interval, with what a forecaster asks of the past.

Silver has a row for every interval of a series, so that a lag of n intervals is the row n above. Nothing in a
row looks ahead, and its own value is the only one that is not older than the interval.
"""

import ibis
import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader
from forecasting.lake.silver import NONE, is_bounded, is_outside
from forecasting.lake.zones import Transition, local_from_utc, offset_at_s

CARRIED = "carried_forward"
DAY_S, HOUR_S = 86_400, 3_600
WEEKDAY_OF_1970 = 3  # 1 January 1970 was a Thursday; Monday is 0


def _suspect(value: ir.FloatingValue, quantity: Quantity) -> ir.BooleanValue:
    return is_outside(value, quantity) if is_bounded(quantity) else cells.FALSE


def featured(
    silver: ir.Table, quantity: Quantity, reader: Reader, changes: tuple[Transition, ...], first_s: int
) -> ir.Table:
    """The gold rows of one quantity from silver rows that have ``start_s``, their start in seconds.

    ``changes`` are the clock changes of the rows' span, which begins at ``first_s``.
    """
    rows = silver.select("series", "start_s", "simulated", "method", value=silver[quantity.name])
    rows = _carried(_looked_back(rows, reader.steps_per_day))
    value, filled = rows["value"], rows["filled"]
    start_s = rows["start_s"]
    local_s = local_from_utc(start_s, changes=changes, offset_s=offset_at_s(reader.zone, first_s))
    start = cells.instant(start_s)
    return rows.select(
        "series",
        quantity=ibis.literal(quantity.name),
        start_utc=start,
        value=value,
        is_gap=value.isnull(),
        suspect=_suspect(value, quantity),
        simulated=rows["simulated"],
        filled=filled,
        method=cells.case((value.notnull(), rows["method"]), (filled.notnull(), CARRIED), otherwise=NONE),
        age_steps=((start_s - rows["known_s"]) / reader.step_s).round().cast("int64"),
        lag_1=rows["lag_1"],
        lag_day=rows["lag_day"],
        lag_week=rows["lag_week"],
        mean_day=rows["mean_day"],
        mean_week=rows["mean_week"],
        hour=((local_s % DAY_S) / HOUR_S).floor().cast("int64"),
        weekday=(((local_s / DAY_S).floor() + WEEKDAY_OF_1970) % 7).cast("int64"),
        month=cells.instant(local_s).month().cast("int64"),
        year=start.year(),
    )


def _looked_back(rows: ir.Table, steps_per_day: int) -> ir.Table:
    """Values before each interval, the count of values up to it, and when the newest of those was."""
    day, week = steps_per_day, 7 * steps_per_day
    value, start_s = rows["value"], rows["start_s"]
    order = ibis.window(group_by="series", order_by="start_s")
    until = ibis.cumulative_window(group_by="series", order_by="start_s")
    return rows.mutate(
        lag_1=value.lag(1).over(order),
        lag_day=value.lag(day).over(order),
        lag_week=value.lag(week).over(order),
        mean_day=value.mean().over(ibis.window(group_by="series", order_by="start_s", preceding=(day, 1))),
        mean_week=value.mean().over(ibis.window(group_by="series", order_by="start_s", preceding=(week, 1))),
        run=value.count().over(until),
        known_s=cells.case((value.notnull(), start_s)).max().over(until),
    )


def _carried(rows: ir.Table) -> ir.Table:
    """``filled``: the newest value up to each interval.

    Rows share a ``run`` from one value to the next, so the run's only value is its maximum; engines disagree
    on the last value of a window.
    """
    return rows.mutate(filled=rows["value"].max().over(ibis.window(group_by=["series", "run"])))
