"""Cells of text as instants and numbers, by the same rules in every engine.

Engines differ in what they cast (`5d`, `1_000`, `2021-1-1`, `24:00`), so a pattern decides first and the cast
only converts what passed.
"""

import ibis
import ibis.expr.types as ir

CLOCK = r"(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.0+)?)?"
OFFSET = r"(Z|[+-](0\d|1[0-4]):?[0-5]\d)"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
FALSE = ibis.literal(False)  # noqa: FBT003  the value of an expression, not an option
TRUE = ibis.literal(True)  # noqa: FBT003  as above
LARGEST = 1e300  # beyond it a text may have overflowed to infinity, which engines report differently


def text(rows: ir.Table, name: str) -> ir.StringValue:
    """A column of text without surrounding spaces."""
    return rows[name].strip()


def case(
    *branches: tuple[ir.Value | bool, ir.Value | str | int | float], otherwise: object = None
) -> ir.Value:
    """The value of the first branch whose condition holds."""
    return ibis.cases(*branches, else_=otherwise)


def matches(value: ir.StringValue, pattern: str) -> ir.BooleanValue:
    """Whether all of the text matches; false where there is none."""
    return value.re_search(f"^({pattern})$").fill_null(FALSE)


def clock_seconds(value: ir.StringValue) -> ir.IntegerValue:
    """``2021-01-31 13:00`` (``T`` allowed, seconds optional) as seconds since 1970 on its own clock."""
    return case((matches(value, CLOCK), _seconds(value)))


def utc_seconds(value: ir.StringValue) -> ir.IntegerValue:
    """The same with ``Z`` or an offset such as ``-03:00`` at its end, as seconds since 1970 in UTC."""
    offset = value.re_extract(f"{OFFSET}$", 0)
    digits = offset.replace(":", "")
    seconds = digits.substr(1, 2).try_cast("int64") * 3600 + digits.substr(3, 2).try_cast("int64") * 60
    ahead = case((value.endswith("Z"), 0), (offset.startswith("-"), -seconds), otherwise=seconds)
    clock = _seconds(value) - ahead
    return case((matches(value, CLOCK + OFFSET), clock))


def instant(seconds: ir.IntegerValue) -> ir.TimestampValue:
    """Seconds since 1970 as a time without zone (``as_timestamp`` would give one with DuckDB's own)."""
    return ibis.timestamp("1970-01-01 00:00:00") + seconds.as_interval("s")


def number(value: ir.StringValue, *, decimal: str = ".") -> ir.FloatingValue:
    """A decimal number, such as ``12.5``, ``.5`` or ``0E-8``; null where the text is none or is too large."""
    plain = value if decimal == "." else value.replace(decimal, ".")
    found = plain.try_cast("float64")
    return case((matches(plain, NUMBER) & (found.abs() < LARGEST), found))


def _seconds(value: ir.StringValue) -> ir.IntegerValue:
    """Seconds since 1970 of a text that matches ``CLOCK`` at its beginning."""
    seconds = case((value.substr(16, 1) == ":", value.substr(16, 3)), otherwise=":00")
    clock = value.substr(0, 10) + " " + value.substr(11, 5) + seconds
    return clock.try_cast("timestamp").epoch_seconds().cast("int64")
