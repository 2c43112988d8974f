"""A neighbourhood as a YAML file: its models and its one reader (fields: ``docs/scenarios.md``)."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from demo.series import LocalSeries, SeriesError, SeriesFile
from demo.yaml_lines import Problem, YamlDocument
from domain.errors import FieldError
from domain.market import MAX_UINT32, settlement_term
from domain.tariff import Tariff
from domain.units import micro_from_price

RESERVED_USERNAMES = frozenset({"operator", "auditor", "retailer", "community_fund"})
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Month = Annotated[int, Field(ge=1, le=12)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
FallbackPower = Annotated[int, Field(ge=0, le=MAX_UINT32)]
Username = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{1,31}$")]


def _clock_time(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be a quoted time such as "16:00"')  # noqa: TRY004 (pydantic reports ValueError)
    try:
        return time.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f'must be a time such as "16:00", got "{value}"') from error


ClockTime = Annotated[time, BeforeValidator(_clock_time)]


class Model(BaseModel):
    """Unknown keys, wrong types, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Band(Model):
    """A price from ``from`` until ``to`` ("00:00" = midnight) on some weekdays of some months."""

    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")
    price_per_kwh: NotNegative
    weekdays: list[Weekday] = Field(default_factory=lambda: list(WEEKDAYS), min_length=1)
    months: list[Month] = Field(default_factory=lambda: list(range(1, 13)), min_length=1)

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: time, info: ValidationInfo) -> time:
        start = info.data.get("start")
        if start is not None and end != time(0) and end <= start:
            raise ValueError("must be later than from; split a band that passes midnight in two")
        return end


class RetailTariff(Model):
    """What the retailer charges and pays, in currency per kWh; the first band that fits applies."""

    import_per_kwh: NotNegative
    feed_in_per_kwh: NotNegative
    fee_per_kwh: NotNegative = 0.0
    bands: list[Band] = []


class Market(Model):
    """When the gate of a delivery interval opens and closes."""

    gate_open_h: int = Field(default=24, ge=1, le=168)
    gate_close_intervals: int = Field(default=1, ge=1, le=96)


class MandateLimits(Model):
    """What each member lets its agent do; prices in currency per kWh, by default the tariff's own range."""

    max_wh_per_day: int = Field(default=100_000, gt=0)
    valid_days: int = Field(default=365, ge=1)


class Connection(Model):
    """How often a home's devices lose their connection, and for how long on average."""

    losses_per_day: NotNegative = 0.0
    loss_minutes: Positive = 30.0


class Place(Model):
    """Where the neighbourhood lies, in degrees north and east."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Column(Model):
    """Which values of a series file belong to a home."""

    series: str
    column: str
    unit: Literal["kwh", "wh", "kw", "w"] = "kwh"
    where: dict[str, str | int] = {}


class Load(Column):
    """What the home uses, whatever supplies it; values are multiplied by ``scale``."""

    scale: Positive = 1.0


class Pv(Column):
    """What its panels generate; values are per installed kW and multiplied by ``nominal_kw``."""

    nominal_kw: Positive


class BatteryUnit(Model):
    """A home battery; limits at the AC terminal."""

    capacity_kwh: Positive
    max_charge_kw: Positive
    max_discharge_kw: Positive
    round_trip_efficiency: Fraction = 0.9
    soc_min_kwh: NotNegative = 0.0

    @field_validator("soc_min_kwh")
    @classmethod
    def _inside(cls, value: float, info: ValidationInfo) -> float:
        capacity = info.data.get("capacity_kwh")
        if capacity is not None and value >= capacity:
            raise ValueError(f"must be below capacity_kwh {capacity}")
        return value


class Member(Model):
    """A household or business: one site, with one to three meters.

    ``fallback_import_w``: the mean power that counts where no reading comes; None: that of its load.
    """

    name: str = Field(min_length=1, max_length=80)
    username: Username
    transport: Literal["http", "mqtt"] = "http"
    load: Load
    pv: Pv | None = None
    battery: BatteryUnit | None = None
    fallback_import_w: FallbackPower | None = None

    @field_validator("username")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED_USERNAMES:
            raise ValueError(f'"{value}" is reserved')
        return value


class Scenario(Model):
    """A whole neighbourhood. Prices and balances are in ``currency``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    title: str = Field(min_length=1, max_length=120)
    time_zone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    interval_minutes: Literal[5, 15, 30, 60]
    history_days: int = Field(default=28, ge=1, le=365)
    speed: float = Field(default=120.0, gt=0, le=3600)
    reading_deadline_minutes: int = Field(ge=30, le=1440)
    seed: int = Field(default=1, ge=0)
    demo_password: str = Field(default="commonwatt", min_length=8)
    opening_balance: NotNegative
    retailer_balance: Positive
    site: Place | None = None
    tariff: RetailTariff
    market: Market = Market()
    mandate: MandateLimits = MandateLimits()
    connection: Connection = Connection()
    series: dict[str, SeriesFile] = Field(min_length=1)
    members: list[Member] = Field(min_length=2)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f'is not a time zone such as "Europe/Berlin", got "{value}"') from error
        return value

    @field_validator("interval_minutes")
    @classmethod
    def _fits_zone(cls, value: int, info: ValidationInfo) -> int:
        name = info.data.get("time_zone")
        offsets = (
            [datetime(2026, month, 1, tzinfo=ZoneInfo(name)).utcoffset() for month in (1, 7)] if name else []
        )
        if any((offset or timedelta()) % timedelta(minutes=value) for offset in offsets):
            raise ValueError(f"must divide the distance of {name} from UTC; choose a shorter interval")
        return value

    @field_validator("reading_deadline_minutes")
    @classmethod
    def _fits_term(cls, value: int, info: ValidationInfo) -> int:
        """The exchange settles what is missing only after the deadline, and nothing after the term."""
        interval = timedelta(minutes=info.data.get("interval_minutes", 0))
        term = settlement_term(interval)
        if interval and interval + timedelta(minutes=value) >= term:
            most = (term - interval) // timedelta(minutes=1) - 1
            raise ValueError(f"must be at most {most}: an interval can be settled for {term} from its start")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The community's local time."""
        return ZoneInfo(self.time_zone)


class LoadedScenario:
    """A valid scenario with the series that its members refer to, by (member index, "load" or "pv")."""

    def __init__(self, path: Path, facts: Scenario, columns: dict[tuple[int, str], LocalSeries]) -> None:
        self.path = path
        self.facts = facts
        self.columns = columns


def load_scenario(path: Path) -> LoadedScenario:
    """The scenario in ``path`` and all its series, or ScenarioError with one line a problem."""
    document = YamlDocument.read(path)
    try:
        facts = Scenario.model_validate(document.plain)
    except ValidationError as error:
        raise document.error(_from_pydantic(error)) from error
    problems = [*_duplicates(facts), *_tariff_problems(facts)]
    columns: dict[tuple[int, str], LocalSeries] = {}
    for place, column in _columns(facts):
        source = facts.series.get(column.series)
        if source is None:
            known = ", ".join(facts.series)
            problems.append(Problem((*place, "series"), f'"{column.series}" is not under series ({known})'))
            continue
        try:
            series = source.read(
                base=path.parent,
                column=column.column,
                where=column.where,
                step_minutes=facts.interval_minutes,
                zone=facts.zone,
            )
        except SeriesError as error:
            in_member = error.field in ("column", "where")
            at = (*place, error.field) if in_member else ("series", column.series, error.field)
            problem = Problem(at, str(error))
            if problem not in problems:
                problems.append(problem)
            continue
        columns[(int(place[1]), str(place[2]))] = series
    if problems:
        raise document.error(problems)
    return LoadedScenario(path, facts, columns)


def tariff_at(facts: Scenario, month: int) -> list[Band]:
    """The bands that apply in ``month`` (1..12), in order."""
    return [band for band in facts.tariff.bands if month in band.months]


def _columns(facts: Scenario) -> Iterator[tuple[tuple[str | int, ...], Load | Pv]]:
    for index, member in enumerate(facts.members):
        yield ("members", index, "load"), member.load
        if member.pv is not None:
            yield ("members", index, "pv"), member.pv


def _from_pydantic(error: ValidationError) -> Iterator[Problem]:
    for item in error.errors(include_url=False):
        yield Problem(item["loc"], item["msg"].removeprefix("Value error, "))


def _duplicates(facts: Scenario) -> Iterator[Problem]:
    for field in ("username", "name"):
        counted = Counter(getattr(member, field) for member in facts.members)
        for index, member in enumerate(facts.members):
            value = getattr(member, field)
            first = next(i for i, other in enumerate(facts.members) if getattr(other, field) == value)
            if counted[value] > 1 and index != first:
                yield Problem(
                    ("members", index, field), f'"{value}" is already the {field} of members.{first}'
                )


def _tariff_problems(facts: Scenario) -> Iterator[Problem]:
    lowest = min([facts.tariff.import_per_kwh, *(band.price_per_kwh for band in facts.tariff.bands)])
    try:
        Tariff(
            facts.time_zone,
            micro_from_price(lowest),
            micro_from_price(facts.tariff.feed_in_per_kwh),
            micro_from_price(facts.tariff.fee_per_kwh),
        )
    except FieldError as error:
        yield Problem(("tariff", error.field.replace("_micro", "")), error.message)
