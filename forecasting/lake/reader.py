"""What a published file looks like: the one description from which a dataset is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import ibis.expr.types as ir

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of the published row. ``name`` ends in its unit; ``published`` lists accepted column titles.

    ``least`` and ``most`` bound what is plausible, inclusive: a value outside is kept and flagged.
    """

    name: str
    published: tuple[str, ...]
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """A text of the published row that is kept as text; all of it must match ``pattern``."""

    name: str
    published: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """Where a dataset is published through a CKAN API, and what a stand-in for it would hold.

    ``package`` is the CKAN name, ``levels`` a typical value of each quantity, ``keys`` the key cells of
    a row from its series and the local start of its interval.
    """

    base_url: str
    package: str
    series: tuple[str, ...]
    levels: Mapping[str, float]
    keys: Callable[[str, datetime], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How one kind of file is read.

    Attributes:
        dataset: name of the dataset in the lake.
        source: who publishes it, in words.
        keys: our names of the columns that ``series`` and ``clock_s`` read → accepted published titles.
        series: the name of the series that a row belongs to.
        clock_s: start of the interval as the file's own clock counts it, in seconds since 1970-01-01 00:00
            on that clock; null where it cannot be read. None for a table without time.
        step: length of the intervals; None for a table without time.
        zone: IANA zone of that clock.
        ahead: how long before its interval begins a row may be published.
        repeats_labels: whether the hour that autumn repeats is in the file twice (else once).
        quantities: numbers to keep.
        wordings: texts to keep.
        marks: flag → which rows carry it.
        refusals: reason → which rows are rejected for it.
        portal: where it can be fetched.
        delimiter: between cells.
        encoding: of the bytes.
        preamble_lines: lines before the header line.
        preamble: constant columns from those lines; their names need not be among ``keys``.
        decimal: decimal mark.
        missing: texts that stand for no value, beside the empty one.
    """

    dataset: str
    source: str
    keys: Mapping[str, tuple[str, ...]]
    series: Callable[[ir.Table], ir.StringValue]
    clock_s: Callable[[ir.Table], ir.IntegerValue] | None = None
    step: timedelta | None = None
    zone: str = "UTC"
    ahead: timedelta = timedelta(0)
    repeats_labels: bool = False
    quantities: tuple[Quantity, ...] = ()
    wordings: tuple[Wording, ...] = ()
    marks: Mapping[str, Callable[[ir.Table], ir.BooleanValue]] = field(default_factory=dict)
    refusals: Mapping[str, Callable[[ir.Table], ir.BooleanValue]] = field(default_factory=dict)
    portal: Portal | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    preamble_lines: int = 0
    preamble: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    decimal: str = "."
    missing: tuple[str, ...] = ()

    @property
    def published(self) -> dict[str, tuple[str, ...]]:
        """Every column that is read: our name → accepted published titles."""
        numbers = {quantity.name: quantity.published for quantity in self.quantities}
        texts = {wording.name: wording.published for wording in self.wordings}
        return {**self.keys, **numbers, **texts}

    @property
    def step_s(self) -> int:
        """Seconds in an interval; 0 for a table without time."""
        return int(self.step.total_seconds()) if self.step else 0

    @property
    def steps_per_day(self) -> int:
        """Intervals in 24 hours."""
        if self.step is None:
            raise ValueError(f"{self.dataset} has no time")
        return DAY // self.step
