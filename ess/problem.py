"""What a battery scheduler is asked, for n batteries over T intervals at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from domain.battery import Battery
from domain.errors import FieldError

Floats = NDArray[np.float64]

SERIES = ("load_kw", "pv_kw", "buy", "sell")
LIMITS = ("import_limit_kw", "export_limit_kw")
RATINGS = ("capacity_kwh", "max_charge_kw", "max_discharge_kw")
EFFICIENCIES = ("charge_efficiency", "discharge_efficiency")
STATES = ("soc_initial_kwh", "soc_final_kwh")
FLOOR = "soc_min_kwh"
WEAR = "degradation_cost_per_kwh"


class BatteryColumns(TypedDict):
    """The part of a problem that the batteries themselves decide, each of shape (n,)."""

    capacity_kwh: Floats
    max_charge_kw: Floats
    max_discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    soc_min_kwh: Floats


def columns_of(batteries: Sequence[Battery]) -> BatteryColumns:
    """Row i is battery i: ``BatteryProblem(**columns_of(batteries), load_kw=..., ...)``."""
    return BatteryColumns(
        capacity_kwh=np.array([battery.capacity_kwh for battery in batteries]),
        max_charge_kw=np.array([battery.max_charge_kw for battery in batteries]),
        max_discharge_kw=np.array([battery.max_discharge_kw for battery in batteries]),
        charge_efficiency=np.array([battery.charge_efficiency for battery in batteries]),
        discharge_efficiency=np.array([battery.discharge_efficiency for battery in batteries]),
        soc_min_kwh=np.array([battery.soc_min_kwh for battery in batteries]),
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BatteryProblem:
    """Minimise, for each row, the cost of the energy that crosses the connection, plus battery wear.

    Shape (n, T): ``load_kw``, ``pv_kw`` (generation, positive), ``buy`` and ``sell`` (price per kWh
    imported and exported, any sign), ``import_limit_kw`` and ``export_limit_kw`` (>= 0; no limit unless
    given).

    Shape (n,): ``capacity_kwh``, ``max_charge_kw``, ``max_discharge_kw`` (>= 0, at the AC terminal), one-way
    efficiencies in (0, 1], ``soc_initial_kwh`` and ``soc_final_kwh`` (a floor at the end of the last
    interval), both in [0, capacity], and ``degradation_cost_per_kwh`` (price of a kWh discharged, >= 0; 0
    unless given).

    ``soc_min_kwh`` in [0, capacity] is a floor at the end of each interval: given as (n,), or as (n, T)
    where it varies; kept as (n, T). ``step_h`` is the length of an interval in hours. PV is not curtailed.

    Raises:
        FieldError: a shape or a value is wrong; its ``field`` names the row too, as in ``soc_min_kwh[3]``.
    """

    load_kw: Floats
    pv_kw: Floats
    buy: Floats
    sell: Floats
    capacity_kwh: Floats
    max_charge_kw: Floats
    max_discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    soc_initial_kwh: Floats
    soc_min_kwh: Floats
    soc_final_kwh: Floats
    step_h: float
    import_limit_kw: Floats = field(default_factory=lambda: np.array(np.inf))
    export_limit_kw: Floats = field(default_factory=lambda: np.array(np.inf))
    degradation_cost_per_kwh: Floats = field(default_factory=lambda: np.array(0.0))

    def __post_init__(self) -> None:
        values = _shaped_fields({item.name: getattr(self, item.name) for item in fields(self)})
        for name, shaped in values.items():
            object.__setattr__(self, name, shaped)
        for name, complaint, sound in _conditions(values):
            if not sound.all():
                raise FieldError(f"{name}[{np.argwhere(~sound)[0][0]}]", complaint)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, T)."""
        rows, steps = self.load_kw.shape
        return rows, steps

    @property
    def net_load_kw(self) -> Floats:
        """Load less PV, (n, T): what the connection would carry with the battery idle."""
        return self.load_kw - self.pv_kw

    def rows(self, chosen: slice | Sequence[int] | NDArray[np.intp]) -> Self:
        """The problem of the rows ``chosen``, in that order."""
        names = (*SERIES, *LIMITS, *RATINGS, *EFFICIENCIES, *STATES, FLOOR, WEAR)
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """What was asked for n rows: ``problem`` of the sound ``rows`` (None: none is), ``faults`` of others.

    ``shape`` is (n, T) of all.
    """

    shape: tuple[int, int]
    rows: NDArray[np.intp]
    problem: BatteryProblem | None
    faults: dict[int, str]


def screen(arrays: Mapping[str, Floats | float]) -> Screened:
    """Take the rows that make a ``BatteryProblem`` and name the first fault of each other one.

    Raises:
        FieldError: what is wrong is no single row's: a field is missing, or its shape is wrong.
    """
    for item in fields(BatteryProblem):
        if item.name not in arrays and item.name not in (*LIMITS, WEAR):
            raise FieldError(item.name, "is missing")
    values = _shaped_fields({**dict.fromkeys(LIMITS, np.array(np.inf)), WEAR: np.array(0.0), **arrays})
    faults: dict[int, str] = {}
    for name, complaint, sound in _conditions(values):
        by_row = sound if sound.ndim == 1 else sound.all(axis=1)
        for row in np.flatnonzero(~by_row).tolist():
            faults.setdefault(row, f"{name}: {complaint}")
    count, steps = values["load_kw"].shape
    rows = np.array([row for row in range(count) if row not in faults], dtype=np.intp)
    chosen = {name: array[rows] for name, array in values.items()}
    problem = BatteryProblem(**chosen, step_h=float(arrays["step_h"])) if rows.size else None
    return Screened((count, steps), rows, problem, faults)


def _shaped_fields(given: Mapping[str, Floats | float]) -> dict[str, Floats]:
    """Every array of a problem in its own shape; ``step_h`` is only checked."""
    shape = np.shape(given["load_kw"])
    if len(shape) != len(("n", "T")) or 0 in shape:
        raise FieldError("load_kw", f"must have shape (n, T), got {shape}")
    if not 0 < given["step_h"] < np.inf:
        raise FieldError("step_h", f"must be above 0, got {given['step_h']}")
    values = {name: _shaped(given[name], name, shape) for name in SERIES + LIMITS}
    floor = _numbers(given[FLOOR], FLOOR)
    floor = np.repeat(floor[:, None], shape[1], axis=1) if floor.ndim == 1 else floor
    values[FLOOR] = _shaped(floor, FLOOR, shape)
    for name in (*RATINGS, *EFFICIENCIES, *STATES, WEAR):
        values[name] = _shaped(given[name], name, shape[:1])
    return values


def _conditions(values: Mapping[str, Floats]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """(field, what it must be, whether it is: (n,) or (n, T))."""
    capacity_kwh = values["capacity_kwh"]
    yield "capacity_kwh", "must be finite and above 0", np.isfinite(capacity_kwh) & (capacity_kwh > 0)
    for name in SERIES:
        yield name, "must be finite", np.isfinite(values[name])
    for name in LIMITS:
        yield name, "must not be negative", values[name] >= 0
    for name in (*RATINGS, WEAR):
        yield name, "must be finite and not negative", (values[name] >= 0) & np.isfinite(values[name])
    for name in EFFICIENCIES:
        yield name, "must lie in (0, 1]", (values[name] > 0) & (values[name] <= 1)
    for name in STATES:
        sound = (values[name] >= 0) & (values[name] <= capacity_kwh)
        yield name, "must lie in [0, capacity_kwh]", sound
    floor = values[FLOOR]
    yield FLOOR, "must lie in [0, capacity_kwh]", (floor >= 0) & (floor <= capacity_kwh[:, None])


def _shaped(values: Floats | float, name: str, shape: tuple[int, ...]) -> Floats:
    array = _numbers(values, name)
    if array.ndim == 0 and name in (*LIMITS, WEAR):
        return np.full(shape, array)
    if array.shape != shape:
        raise FieldError(name, f"must have shape {shape}, got {array.shape}")
    return array


def _numbers(values: Floats | float, name: str) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise FieldError(name, f"must hold numbers: {error}") from error
    return array if array.flags.writeable else array.copy()  # compiled loops know one kind of array
