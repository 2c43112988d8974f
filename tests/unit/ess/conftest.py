"""Instances that the tests of this room share."""

import numpy as np
import pytest

from ess.problem import BatteryProblem


@pytest.fixture
def homes():
    """A community day of ``n`` homes with PV, a battery each and an evening peak price."""

    def build(n=3, steps=12, seed=0, **changes):
        rng = np.random.default_rng(seed)
        step_h = 24 / steps
        hours = np.arange(steps) * step_h
        shape = (n, steps)
        capacity_kwh = rng.uniform(6, 14, n)
        given = {
            "load_kw": rng.gamma(2.0, 0.7, shape),
            "pv_kw": np.maximum(0, np.sin((hours - 6) / 12 * np.pi)) * rng.uniform(2, 6, (n, 1)),
            "buy": np.where((hours >= 16) & (hours < 21), 0.5, 0.21) * np.ones(shape),
            "sell": np.full(shape, 0.05),
            "capacity_kwh": capacity_kwh,
            "max_charge_kw": capacity_kwh / 4,
            "max_discharge_kw": capacity_kwh / 4,
            "charge_efficiency": np.full(n, 0.95),
            "discharge_efficiency": np.full(n, 0.93),
            "soc_initial_kwh": capacity_kwh * 0.4,
            "soc_min_kwh": capacity_kwh * 0.1,
            "soc_final_kwh": capacity_kwh * 0.4,
            "step_h": step_h,
        }
        return BatteryProblem(**{**given, **changes})

    return build
