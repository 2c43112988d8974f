"""What many batteries share: a feeder, a promise, a price on the peak."""

from dataclasses import dataclass, replace

import numpy as np

from domain.errors import FieldError
from ess.problem import Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SharedLimits:
    """What n batteries share over T intervals; powers in kW, positive import, of all connections together.

    Each (T,): ``import_cap_kw`` and ``export_cap_kw``, >= 0, inf for none; ``other_load_kw``, what else hangs
    on the feeder; ``promised_kw`` >= 0, a demand-response promise to stay that far below ``baseline_kw``
    where it is above 0. ``peak_price_per_kw`` is charged on the highest import as far as it passes
    ``peak_so_far_kw``.

    Raises:
        FieldError: a shape is wrong, or a value is not finite or negative where it must not be.
    """

    import_cap_kw: Floats
    export_cap_kw: Floats
    other_load_kw: Floats
    promised_kw: Floats
    baseline_kw: Floats
    peak_price_per_kw: float = 0.0
    peak_so_far_kw: float = 0.0

    def __post_init__(self) -> None:
        shape = np.shape(self.import_cap_kw)
        for name in ("import_cap_kw", "export_cap_kw", "other_load_kw", "promised_kw", "baseline_kw"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.ndim != 1 or values.shape != shape:
                raise FieldError(name, f"must have shape (T,) as import_cap_kw, got {values.shape}")
            capped = name.endswith("cap_kw")
            sound = values >= 0 if capped else np.isfinite(values)
            if not (sound & ((values >= 0) | (name != "promised_kw"))).all():
                raise FieldError(name, "must not be negative" if capped else "must be finite")
            object.__setattr__(self, name, values)
        for name in ("peak_price_per_kw", "peak_so_far_kw"):
            if not 0 <= getattr(self, name) < np.inf:
                raise FieldError(name, "must be finite and not negative")

    @property
    def bounds_kw(self) -> tuple[Floats, Floats]:
        """Least and most that the batteries' connections may carry together, each (T,)."""
        promised = np.where(self.promised_kw > 0, self.baseline_kw - self.promised_kw, np.inf)
        most = np.minimum(self.import_cap_kw, promised) - self.other_load_kw
        return -self.export_cap_kw - self.other_load_kw, most

    def scaled(self, share: float) -> "SharedLimits":
        """The limits of a part of the batteries."""
        names = (
            "import_cap_kw",
            "export_cap_kw",
            "other_load_kw",
            "promised_kw",
            "baseline_kw",
            "peak_so_far_kw",
        )
        return replace(self, **{name: share * getattr(self, name) for name in names})

    def peak_cost(self, grid_kw: Floats) -> float:
        """Price of the highest import when the batteries' connections carry ``grid_kw``."""
        peak_kw = float((grid_kw + self.other_load_kw).max())
        return self.peak_price_per_kw * max(peak_kw - self.peak_so_far_kw, 0.0)
