"""Bronze to silver: each line typed and judged, placed in UTC, told from its duplicates, and gaps made rows.

The steps are expressions; ``ingest`` writes what each leaves before the next one starts, so that no engine
computes a step twice. Flags name what is odd about a row that is kept; a rejected row names its reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.cells import FALSE, TRUE
from forecasting.lake.reader import Quantity, Reader
from forecasting.lake.zones import Transition, is_repeated, is_skipped, offset_at_s, utc_from_local

DUPLICATE, SUPERSEDED = "duplicate", "superseded"
PUBLISHED, SIMULATED, NONE = "published", "simulated", "none"
GAP = "gap"
LINES_AT_MOST = 10**10  # of one file; keeps the order of arrival in one integer
REAL_FIRST = (
    10**17
)  # more than ten million files; what was received stands above what was simulated, whenever it came


@dataclass(frozen=True, slots=True)
class Source:
    """One received file: which it was in the order of arrival, when it came, and whether it was made up."""

    sequence: int
    received_s: int
    simulated: bool


def parsed(rows: ir.Table, reader: Reader, source: Source) -> ir.Table:
    """Each line of a landed file as its series, clock, numbers and texts; ``unread`` numbers are no numbers.

    ``arrival`` orders all lines that a dataset ever received, and holds a line's number, its file's sequence
    and whether it was simulated.
    """
    raw = {quantity.name: _present(rows, quantity.name, reader) for quantity in reader.quantities}
    numbers = {name: cells.number(value, decimal=reader.decimal) for name, value in raw.items()}
    unread = cells.case(
        *((raw[name].notnull() & numbers[name].isnull(), name) for name in raw), otherwise=ibis.null("string")
    )
    base = (0 if source.simulated else REAL_FIRST) + source.sequence * LINES_AT_MOST
    return rows.select(
        arrival=rows["line"] + base,
        received_s=ibis.literal(source.received_s, "int64"),
        problem=rows["problem"],
        series=reader.series(rows),
        clock_s=reader.clock_s(rows).cast("int64") if reader.clock_s else ibis.literal(0, "int64"),
        **numbers,
        **{wording.name: cells.text(rows, wording.name) for wording in reader.wordings},
        unread=unread,
        refused=_first(reader.refusals, rows),
        own_marks=_joined([(mark(rows), flag) for flag, mark in reader.marks.items()]),
    )


def typed(rows: ir.Table, reader: Reader) -> ir.Table:
    """Parsed lines with the flags of their cells, and the reason for which a line cannot be kept."""
    unread = rows["unread"]
    series = rows["series"]
    faults: list[tuple[ir.Value | bool, ir.Value | str | int | float]] = [
        (rows["problem"].notnull(), rows["problem"]),
        ((series.fill_null("") == ""), "no_series"),
        (rows["clock_s"].isnull(), "unreadable_time"),
        (unread.notnull(), "not_a_number:" + unread),
        *(
            (
                ~cells.matches(cells.text(rows, wording.name), wording.pattern),
                f"unexpected_text:{wording.name}",
            )
            for wording in reader.wordings
        ),
        (rows["refused"].notnull(), rows["refused"]),
    ]
    numbers = [rows[quantity.name] for quantity in reader.quantities]
    marks = [
        *((number.isnull(), f"missing:{number.get_name()}") for number in numbers),
        *(
            (is_outside(number, quantity), f"outside:{quantity.name}")
            for number, quantity in zip(numbers, reader.quantities, strict=True)
            if is_bounded(quantity)
        ),
    ]
    return rows.select(
        "arrival",
        "received_s",
        "series",
        "clock_s",
        *_said(reader),
        marks=rows["own_marks"] + _joined(marks),
        reason=cells.case(*faults, otherwise=ibis.null("string")),
    )


def placed(rows: ir.Table, reader: Reader, changes: tuple[Transition, ...], first_s: int) -> ir.Table:
    """Readable rows in UTC, each told from its duplicates; those that cannot be kept have a reason.

    ``changes`` are the clock changes of the rows' span, which begins at ``first_s``. Of several rows for one
    interval the last that arrived stands; ``next_s`` of a row that stands is the next one's start.
    """
    rows = _beside_neighbours(_in_utc(rows.filter(rows["reason"].isnull()), reader, changes, first_s), reader)
    start_s = rows["start_s"]
    doubled = (rows["next_s"] == start_s).fill_null(FALSE)
    corrected = (rows["previous_s"] == start_s).fill_null(FALSE)
    late_flags = [
        (rows["repeated"], "repeated_hour"),
        (corrected & ~rows["says_previous"], "revised"),
    ]
    return rows.select(
        "arrival",
        "series",
        "start_s",
        "next_s",
        *_said(reader),
        reason=cells.case(
            (rows["misplaced"], rows["reason"]),
            (doubled & rows["says_next"], DUPLICATE),
            (doubled, SUPERSEDED),
            otherwise=ibis.null("string"),
        ),
        marks=rows["marks"] + _joined(late_flags),
    )


def _in_utc(rows: ir.Table, reader: Reader, changes: tuple[Transition, ...], first_s: int) -> ir.Table:
    """``start_s``, and whether and why a row cannot stand where its clock puts it."""
    clock_s = rows["clock_s"]
    is_second: ir.BooleanValue = FALSE
    if changes and reader.repeats_labels:
        same_label = ibis.window(
            group_by=["series", "clock_s", _sequence(rows["arrival"])], order_by="arrival"
        )
        rows = rows.mutate(occurrence=ibis.row_number().over(same_label))
        clock_s, is_second = rows["clock_s"], rows["occurrence"] >= 1
    offset_s = offset_at_s(reader.zone, first_s)
    rows = rows.mutate(
        start_s=utc_from_local(clock_s, is_second, changes=changes, offset_s=offset_s),
        repeated=is_repeated(clock_s, changes),
        skipped=is_skipped(clock_s, changes),
    )
    start_s = rows["start_s"]
    reason = cells.case(
        (rows["skipped"], "skipped_hour"),
        (_lacks_grid(clock_s, reader), "off_grid"),
        (start_s > rows["received_s"] + int(reader.ahead.total_seconds()), "in_future"),
        otherwise=ibis.null("string"),
    )
    rows = rows.select("arrival", "series", "start_s", "repeated", "marks", *_said(reader), reason=reason)
    return rows.mutate(misplaced=rows["reason"].notnull())


def _lacks_grid(clock_s: ir.IntegerValue, reader: Reader) -> ir.BooleanValue:
    """Whether an interval does not begin at a whole number of steps; days begin at their clock's midnight."""
    return clock_s % reader.step_s != 0 if reader.step else FALSE


def _beside_neighbours(rows: ir.Table, reader: Reader) -> ir.Table:
    """The starts of the rows before and after in the series, and whether those say the same."""
    order = ibis.window(group_by=["misplaced", "series"], order_by=["start_s", "arrival"])
    start_s = rows["start_s"]
    said = [rows[name] for name in _said(reader)]
    return rows.mutate(
        next_s=start_s.lead().over(order),
        previous_s=start_s.lag().over(order),
        says_next=_all([value.identical_to(value.lead().over(order)) for value in said]),
        says_previous=_all([value.identical_to(value.lag().over(order)) for value in said]),
    )


def kept(rows: ir.Table, reader: Reader) -> ir.Table:
    """The silver rows that were published, and an explicit row for each interval between that was not."""
    good = rows.filter(rows["reason"].isnull())
    arrival = good["arrival"]
    is_simulated = arrival < REAL_FIRST
    published = good.select(
        "series",
        *_time(good, reader),
        *_said(reader),
        marks=_trimmed(good["marks"]),
        method=cells.case((is_simulated, SIMULATED), otherwise=PUBLISHED),
        simulated=is_simulated,
        ingest=_sequence(arrival),
        line=arrival % LINES_AT_MOST,
    )
    return ibis.union(published, _gaps(good, reader)) if reader.step else published


def _gaps(good: ir.Table, reader: Reader) -> ir.Table:
    step_s = reader.step_s
    start_s, next_s = good["start_s"], good["next_s"]
    before = good.filter(next_s > start_s + step_s)
    absent = before.select(
        "series",
        start_s=ibis.range(before["start_s"] + step_s, before["next_s"], step_s).unnest(),
    )
    return absent.select(
        "series",
        *_time(absent, reader),
        **{quantity.name: ibis.null("float64") for quantity in reader.quantities},
        **{wording.name: ibis.null("string") for wording in reader.wordings},
        marks=ibis.literal(GAP),
        method=ibis.literal(NONE),
        simulated=FALSE,
        ingest=ibis.null("int64"),
        line=ibis.null("int64"),
    )


def rejected(rows: ir.Table) -> ir.Table:
    """Lines that were not kept: where they stand in which file, and why."""
    lost = rows.filter(rows["reason"].notnull())
    arrival = lost["arrival"]
    return lost.select("series", "reason", ingest=_sequence(arrival), line=arrival % LINES_AT_MOST)


def is_bounded(quantity: Quantity) -> bool:
    """Whether it has a plausible range."""
    return quantity.least is not None or quantity.most is not None


def is_outside(value: ir.NumericValue, quantity: Quantity) -> ir.BooleanValue:
    """Whether a value lies outside the plausible range of a quantity that has one; false where it is null."""
    sides = []
    if quantity.least is not None:
        sides.append(value < quantity.least)
    if quantity.most is not None:
        sides.append(value > quantity.most)
    return reduce(or_, sides).fill_null(FALSE)


def _said(reader: Reader) -> list[str]:
    """Names of what a row says, its numbers and texts."""
    numbers = [quantity.name for quantity in reader.quantities]
    return [*numbers, *(wording.name for wording in reader.wordings)]


def _sequence(arrival: ir.IntegerValue) -> ir.IntegerValue:
    """Which file a line came in, by its place in the manifest's list."""
    return ((arrival % REAL_FIRST) // LINES_AT_MOST).cast("int64")


def _first(reasons: Mapping[str, Callable[[ir.Table], ir.BooleanValue]], rows: ir.Table) -> ir.Value:
    """The first reason that applies."""
    return (
        cells.case(
            *((applies(rows), reason) for reason, applies in reasons.items()), otherwise=ibis.null("string")
        )
        if reasons
        else ibis.null("string")
    )


def _present(rows: ir.Table, name: str, reader: Reader) -> ir.StringValue:
    """A cell's text, null where it is empty or one of the reader's words for a missing value."""
    value = cells.text(rows, name)
    return cells.case((value.isin(["", *reader.missing]), ibis.null("string")), otherwise=value)


def _time(rows: ir.Table, reader: Reader) -> list[ir.Value]:
    if reader.step is None:
        return []
    start = cells.instant(rows["start_s"])
    return [start.name("start_utc"), start.year().cast("int32").name("year")]


def _joined(marks: Sequence[tuple[ir.BooleanValue, str]]) -> ir.StringValue:
    """The flags that apply, each followed by a comma."""
    joined: ir.StringValue = ibis.literal("")
    for applies, flag in marks:
        joined += applies.ifelse(f"{flag},", "")
    return joined


def _trimmed(joined: ir.StringColumn) -> ir.StringValue:
    return cells.case((joined == "", ""), otherwise=joined.substr(0, joined.length() - 1))


def _all(conditions: Sequence[ir.BooleanValue]) -> ir.BooleanValue:
    found: ir.BooleanValue = TRUE
    for condition in conditions:
        found &= condition
    return found
