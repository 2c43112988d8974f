"""A home's physics: load, panels, battery and three meters. No clock, no network: time is an argument.

Battery power in kW is positive when it charges. Within an interval, load and PV are constant; the battery
follows its command while that holds its lease, else the self-consumption rule (charge with the surplus,
discharge to cover the load).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from demo.replay import HomeEnergy
from domain.battery import Battery
from domain.time import floor_to_step
from domain.units import WH_PER_KWH, wh_from_kwh_nearest
from ess.dynamics import single_step

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Command:
    """A set-point for the battery in ``[start, end)``; ``end`` is where its interval or its lease ends.

    The battery keeps the connection at ``grid_target_kw`` (positive import), as far as it can with a power
    between ``power_min_kw`` and ``power_max_kw`` (positive charges); where both are equal, that is its power.
    """

    command_id: int
    sequence: int
    start: datetime
    end: datetime
    power_min_kw: float
    power_max_kw: float
    grid_target_kw: float


@dataclass(frozen=True, slots=True)
class Registers:
    """Energy since the interval began, kWh, all >= 0."""

    imported: float = 0.0
    exported: float = 0.0
    load: float = 0.0
    pv: float = 0.0
    charged: float = 0.0
    discharged: float = 0.0

    def plus(self, *, load: float, pv: float, battery: float) -> "Registers":
        """With the energy of a stretch in which nothing changed; ``battery`` is positive charging."""
        grid = load - pv + battery
        return Registers(
            imported=self.imported + max(grid, 0.0),
            exported=self.exported + max(-grid, 0.0),
            load=self.load + load,
            pv=self.pv + pv,
            charged=self.charged + max(battery, 0.0),
            discharged=self.discharged + max(-battery, 0.0),
        )


@dataclass(frozen=True, slots=True)
class MeteredInterval:
    """What the meters show for one interval, integer Wh; always
    ``load == grid_import - grid_export + pv + discharge - charge``.
    """  # noqa: D205 (the equation belongs to the sentence)

    start: datetime
    load_wh: int
    grid_import_wh: int
    grid_export_wh: int
    pv_wh: int
    charge_wh: int
    discharge_wh: int
    soc_wh: int

    def register(self, role: str) -> tuple[int, int, int | None]:
        """(import Wh, export Wh, SoC Wh or None) of the ``grid``, ``pv`` or ``battery`` meter."""
        return {
            "grid": (self.grid_import_wh, self.grid_export_wh, None),
            "pv": (0, self.pv_wh, None),
            "battery": (self.charge_wh, self.discharge_wh, self.soc_wh),
        }[role]


@dataclass(frozen=True, slots=True)
class HomeState:
    """All that a home remembers: where its time stands, its battery, its registers, its command."""

    time: datetime
    soc_kwh: float = 0.0
    registers: Registers = field(default_factory=Registers)
    command: Command | None = None
    sequence: int = -1

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        facts = asdict(self) | {"time": self.time.isoformat()}
        if self.command:
            facts["command"] |= {"start": self.command.start.isoformat(), "end": self.command.end.isoformat()}
        return facts

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "HomeState":
        """The inverse of ``to_json``."""
        command = facts["command"]
        if command:
            times = {name: datetime.fromisoformat(command[name]) for name in ("start", "end")}
            command = Command(**{**command, **times})
        return cls(
            time=datetime.fromisoformat(facts["time"]),
            soc_kwh=facts["soc_kwh"],
            registers=Registers(**facts["registers"]),
            command=command,
            sequence=facts["sequence"],
        )


@dataclass(frozen=True, slots=True)
class Home:
    """What a home is: its battery (or none), its interval length, its energy per interval."""

    battery: Battery | None
    step: timedelta
    energy: Callable[[datetime], HomeEnergy]

    def advance(
        self, state: HomeState, until: datetime
    ) -> Iterator[tuple[HomeState, MeteredInterval | None]]:
        """Live until ``until``; yields each new state, with a metered interval when one has ended."""
        while state.time < until:
            interval = floor_to_step(state.time, self.step)
            stop = min([until, interval + self.step, *self._changes(state)])
            state = self._stretch(state, interval, stop)
            if stop < interval + self.step:
                yield state, None
                continue
            metered = _metered(interval, state)
            state = replace(state, registers=Registers())
            yield state, metered

    def battery_kw(self, state: HomeState) -> float:
        """The battery's power at ``state.time``."""
        interval = floor_to_step(state.time, self.step)
        power, _ = self._battery_step(
            state, self.energy(interval), (interval + self.step - state.time) / HOUR
        )
        return power

    def grid_kw(self, state: HomeState) -> float:
        """Power at the connection at ``state.time``, positive import."""
        energy = self.energy(floor_to_step(state.time, self.step))
        return (energy.load_kwh - energy.pv_kwh) / (self.step / HOUR) + self.battery_kw(state)

    def pv_kw(self, state: HomeState) -> float:
        """Generation at ``state.time``, >= 0."""
        return self.energy(floor_to_step(state.time, self.step)).pv_kwh / (self.step / HOUR)

    def obeys(self, state: HomeState) -> bool:
        """Whether a command is in force at ``state.time``."""
        return state.command is not None and state.command.start <= state.time < state.command.end

    def _changes(self, state: HomeState) -> list[datetime]:
        command = state.command
        return [at for at in (command.start, command.end) if at > state.time] if command else []

    def _stretch(self, state: HomeState, interval: datetime, stop: datetime) -> HomeState:
        energy = self.energy(interval)
        hours = (stop - state.time) / HOUR
        share = (stop - state.time) / self.step
        power, soc = self._battery_step(state, energy, hours)
        registers = state.registers.plus(
            load=energy.load_kwh * share, pv=energy.pv_kwh * share, battery=power * hours
        )
        return replace(state, time=stop, soc_kwh=soc, registers=registers)

    def _battery_step(self, state: HomeState, energy: HomeEnergy, hours: float) -> tuple[float, float]:
        if self.battery is None:
            return 0.0, state.soc_kwh
        surplus_kw = (energy.pv_kwh - energy.load_kwh) / (self.step / HOUR)
        command = state.command if self.obeys(state) else None
        if command is None:
            requested_kw = surplus_kw
        else:
            wished_kw = surplus_kw + command.grid_target_kw
            requested_kw = min(max(wished_kw, command.power_min_kw), command.power_max_kw)
        return single_step(self.battery, soc_kwh=state.soc_kwh, requested_kw=requested_kw, step_h=hours)


def _metered(interval: datetime, state: HomeState) -> MeteredInterval:
    """Registers in whole Wh; the larger of the grid's takes the rounding, so that the balance is exact."""
    rounded = {name: wh_from_kwh_nearest(getattr(state.registers, name)) for name in Registers.__slots__}
    net = rounded["load"] - rounded["pv"] + rounded["charged"] - rounded["discharged"]
    imported = rounded["exported"] + net if net >= 0 else rounded["imported"]
    return MeteredInterval(
        start=interval,
        load_wh=rounded["load"],
        grid_import_wh=imported,
        grid_export_wh=imported - net,
        pv_wh=rounded["pv"],
        charge_wh=rounded["charged"],
        discharge_wh=rounded["discharged"],
        soc_wh=round(state.soc_kwh * WH_PER_KWH),
    )
