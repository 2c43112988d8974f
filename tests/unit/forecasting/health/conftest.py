import pytest

from forecasting.health import learners
from forecasting.health.model import train
from tests.unit.forecasting.health.made import made_cell


@pytest.fixture(scope="session")
def made_cells():
    return [made_cell(f"made_{i}", knee=100 + 12 * i, seed=i) for i in range(12)]


@pytest.fixture(scope="session")
def quick_train():
    """Training with fewer trees, which made cells do not need."""

    def quick(cells):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(learners, "TREES", 100)
            return train(cells, seed=1)

    return quick


@pytest.fixture(scope="session")
def learned(made_cells, quick_train):
    return quick_train(made_cells)
