"""Every benchmark runs, at a size that takes no time; how fast is not a test's business."""

import json
import pickle

import pytest

from tests.benchmarks.forecast_tasks import TASKS
from tests.benchmarks.forecasting import Result
from tests.benchmarks.registry import at_least, at_most, store
from tests.benchmarks.suite import BENCHMARKS

TIMED = ("time for twice the book", "one at a time / together", "times faster", "co-ordination")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_keeps_what_does_not_depend_on_time(name, tmp_path):
    rows = BENCHMARKS[name](0.01)
    missed = [row.metric for row in rows if row.holds is False]
    assert [metric for metric in missed if not any(part in metric for part in TIMED)] == []
    kept = json.loads(store(name, rows, tmp_path).read_text())
    assert [set(row) for row in kept] == [{"metric", "value", "unit", "target", "holds"}] * len(rows)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_of_forecasting_reaches_another_process_and_comes_back(task):
    assert pickle.loads(pickle.dumps(Result(task))).task.name == task.name  # noqa: S301 - its own bytes


def test_a_missed_target_is_said():
    assert at_most("time", 3.0, "s", 2.0).holds is False
    assert at_least("speed", 1.0, "ratio", 2.0).holds is False
