"""Cells with a knee where we want it."""

import numpy as np

from forecasting.health.cells import CHARGE, Cell

CYCLES = 420


def made_cell(name, *, knee, seed, slow=4e-5, fast=1.2e-3):
    """Slow fade, then fast fade from ``knee`` on; charging tells the capacity up to noise."""
    rng = np.random.default_rng(seed)
    cycle = np.arange(CYCLES)
    soh = 1.0 - slow * cycle - fast * np.maximum(cycle - knee, 0) + rng.normal(0, 5e-4, CYCLES)
    soh = soh[: max(int(np.argmax(soh < 0.78)), 100) if (soh < 0.78).any() else CYCLES]
    charge = soh[:, None] * np.linspace(0.5, 2.0, len(CHARGE)) + rng.normal(0, 1e-3, (len(soh), len(CHARGE)))
    return Cell(name=name, group="made", rated_ah=2.0, capacity_ah=2.0 * soh, charge=charge)
