"""A battery as its scheduler sees it."""

from dataclasses import dataclass, fields

from domain.errors import FieldError
from domain.units import require_finite


@dataclass(frozen=True, slots=True)
class Battery:
    """Limits at the AC terminal and one-way efficiencies in (0, 1].

    A charge of ``c`` kW for ``h`` hours stores ``charge_efficiency * c * h`` kWh; a discharge of ``d`` kW
    takes ``d * h / discharge_efficiency`` kWh from the store.
    """

    capacity_kwh: float
    max_charge_kw: float
    max_discharge_kw: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    soc_min_kwh: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            require_finite(getattr(self, item.name), item.name)
        if self.capacity_kwh <= 0:
            raise FieldError("capacity_kwh", f"must be above 0, got {self.capacity_kwh}")
        for name in ("max_charge_kw", "max_discharge_kw"):
            if getattr(self, name) < 0:
                raise FieldError(name, f"must not be negative, got {getattr(self, name)}")
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                raise FieldError(name, f"must lie in (0, 1], got {getattr(self, name)}")
        if not 0 <= self.soc_min_kwh <= self.capacity_kwh:
            raise FieldError("soc_min_kwh", f"must lie in [0, {self.capacity_kwh}], got {self.soc_min_kwh}")
