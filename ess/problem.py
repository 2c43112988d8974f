"""What a battery scheduler is asked, for n batteries over T intervals at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
        shape = np.shape(self.load_kw)
        if len(shape) != len(("n", "T")) or 0 in shape:
            raise FieldError("load_kw", f"must have shape (n, T), got {shape}")
        if not 0 < self.step_h < np.inf:
            raise FieldError("step_h", f"must be above 0, got {self.step_h}")
        for name in SERIES + LIMITS:
            object.__setattr__(self, name, _shaped(getattr(self, name), name, shape))
        floor = np.asarray(self.soc_min_kwh, dtype=np.float64)
        floor = np.repeat(floor[:, None], shape[1], axis=1) if floor.ndim == 1 else floor
        object.__setattr__(self, FLOOR, _shaped(floor, FLOOR, shape))
        for name in (*RATINGS, *EFFICIENCIES, *STATES, WEAR):
            object.__setattr__(self, name, _shaped(getattr(self, name), name, shape[:1]))
        for name in SERIES:
            _require(np.isfinite(getattr(self, name)), name, "must be finite")
        for name in LIMITS:
            _require(getattr(self, name) >= 0, name, "must not be negative")
        for name in (*RATINGS, WEAR):
            values = getattr(self, name)
            _require((values >= 0) & np.isfinite(values), name, "must be finite and not negative")
        for name in EFFICIENCIES:
            values = getattr(self, name)
            _require((values > 0) & (values <= 1), name, "must lie in (0, 1]")
        for name in STATES:
            values = getattr(self, name)
            _require((values >= 0) & (values <= self.capacity_kwh), name, "must lie in [0, capacity_kwh]")
        sound = (self.soc_min_kwh >= 0) & (self.soc_min_kwh <= self.capacity_kwh[:, None])
        _require(sound, FLOOR, "must lie in [0, capacity_kwh]")

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


def _shaped(values: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 and name in (*LIMITS, WEAR):
        return np.full(shape, array)
    if array.shape != shape:
        raise FieldError(name, f"must have shape {shape}, got {array.shape}")
    return array


def _require(sound: NDArray[np.bool_], name: str, complaint: str) -> None:
    if not sound.all():
        raise FieldError(f"{name}[{np.argwhere(~sound)[0][0]}]", complaint)
