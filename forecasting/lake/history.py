"""Gold as the panel that models learn from."""

from collections.abc import Sequence
from datetime import UTC, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.lake.ingest import current_folder, reader_of
from forecasting.lake.store import Store
from forecasting.series import History

NO_DELAY = timedelta(0)


def read_history(
    lake: Store, *, dataset: str, quantity: str, series: Sequence[str] = (), delay: timedelta = NO_DELAY
) -> History:
    """``quantity`` of the named ``series`` (all, sorted, if none are named) on their common grid.

    Values are as published, NaN where there was none: what gold carried forward is not used. ``delay`` is how
    long after its interval a value is normally known. Raises FieldError when the lake lacks any of it.
    """
    reader = reader_of(dataset)
    if reader.step is None or quantity not in {known.name for known in reader.quantities}:
        raise FieldError("quantity", f"{dataset} has no series of {quantity!r}")
    folder = current_folder(lake, "gold", dataset)
    if not lake.filesystem.exists(lake.path(folder)):
        raise FieldError("dataset", f"no line of {dataset} was kept", code="no_data")
    gold = pa.dataset.dataset(lake.path(folder), filesystem=lake.filesystem, format="parquet")
    wanted = pc.field("quantity") == quantity
    if series:
        wanted &= pc.field("series").isin(list(series))
    table = gold.to_table(columns=["series", "start_utc", "value"], filter=wanted)
    found = set(table["series"].unique().to_pylist())
    names = tuple(series) or tuple(sorted(found))
    if not names or not found.issuperset(names):
        missing = ", ".join(sorted(set(names) - found)) or "any series"
        raise FieldError("series", f"{dataset} does not have {missing}", code="no_data")
    starts = table["start_utc"].to_numpy().astype("datetime64[us]")
    step = np.timedelta64(reader.step)
    first = starts.min()
    values = np.full((len(names), int((starts.max() - first) // step) + 1), np.nan)
    row = {name: number for number, name in enumerate(names)}
    rows = np.array([row[name] for name in table["series"].to_pylist()])
    values[rows, (starts - first) // step] = table["value"].to_numpy()
    grid = TimeGrid(first.item().replace(tzinfo=UTC), reader.step, values.shape[1])
    return History(grid=grid, names=names, values=values, time_zone=reader.zone, delay=delay)
