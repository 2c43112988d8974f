import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from matplotlib.image import imread

from domain.errors import FieldError
from forecasting.backtest import Backtest
from forecasting.evaluation import compare, table
from forecasting.report import report
from forecasting.series import instant64

HOUR = timedelta(hours=1)
WIDE, NARROW = 0.4, 0.1


@pytest.fixture
def results(homes):
    """Two models on three homes, ``horizon`` hours from origins ``every`` so many hours."""

    def build(horizon=24, every=24, days=30):
        history = homes(days=days)
        origins = np.arange(15 * 24, len(history.grid) - horizon + 1, every)
        actual = history.values[:, origins[:, None] + np.arange(horizon)]
        steps = np.array([-1.6, -1.3, -0.7, 0.0, 0.7, 1.3, 1.6])
        made = {}
        for seed, (name, sigma) in enumerate({"seasonal_naive": WIDE, "better <1>": NARROW}.items()):
            centre = actual + np.random.default_rng(seed).normal(0, sigma, actual.shape)
            made[name] = Backtest(
                history=history,
                issued_at=instant64(history.grid.start) + origins * np.timedelta64(HOUR),
                quantiles=centre[..., None] + sigma * steps,
                actual=actual,
            )
        return made

    return build


@pytest.mark.parametrize(("horizon", "every"), [(24, 24), (1, 3), (200, 50)])
def test_a_report_is_a_page_with_its_pictures(results, tmp_path, horizon, every):
    made = results(horizon, every)
    paths = report(made, tmp_path / "new", unit="kW")
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "new").iterdir()}
    page = paths[-1].read_text(encoding="utf-8")
    pictures = [path.name for path in paths[:-1]]
    assert len(pictures) == 4
    assert re.findall(r'src="([^"]+)"', page) == [
        name.replace("<", "&lt;").replace(">", "&gt;") for name in pictures
    ]
    for row in table(compare(made)):
        for cell in row[1:]:
            assert f">{cell}</t" in page
    assert "better <1>" not in page
    for path in paths[:-1]:
        picture = imread(path)
        assert picture.shape[:2] == (600, 1080)
        assert picture[..., :3].std() > 0.05


def test_gaps_and_missing_forecasts_can_be_drawn_with_the_same_bytes_each_time(results, tmp_path):
    made = results()
    first = made["seasonal_naive"]
    actual, quantiles = first.actual.copy(), first.quantiles.copy()
    actual[:, 4:6], quantiles[1, 8] = np.nan, np.nan
    made = {name: replace(result, actual=actual) for name, result in made.items()}
    made["seasonal_naive"] = replace(made["seasonal_naive"], quantiles=quantiles)
    for one, other in zip(report(made, tmp_path / "a"), report(made, tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_nothing_to_draw_is_refused_and_nothing_is_written(results, tmp_path):
    made = results()
    empty = {
        name: replace(result, actual=np.full_like(result.actual, np.nan)) for name, result in made.items()
    }
    for refused in ({}, empty):
        with pytest.raises(FieldError):
            report(refused, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_units_and_names_are_drawn_as_they_are_written(results, tmp_path):
    made = results()
    odd = {
        name: replace(result, history=replace(result.history, names=(r"$\nothing$", "$a", r"\$b$ _c^ $")))
        for name, result in made.items()
    }
    plain = report(odd, tmp_path / "plain", unit="kW")
    paths = report(odd, tmp_path / "odd", unit=r"$\foo$")
    changed = {a.name for a, b in zip(plain, paths, strict=True) if a.read_bytes() != b.read_bytes()}
    assert changed == {"fan_seasonal_naive.png", "fan_better <1>.png", "error_by_lead.png"}
