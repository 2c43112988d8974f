"""Whether the files of a saved model make a model, before it is asked for anything.

That they are the files of its card is another matter (``forecasting.cards``).
"""

import re
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import from_json

from domain.errors import FieldError
from forecasting.models.base import HEADER_FILE, Model
from forecasting.models.lightgbm import TREES_FILES, LightGBM
from forecasting.models.located import Located

AS_DECLARED = ConfigDict(strict=True, arbitrary_types_allowed=True)
NUMBERS = "fiu"  # kinds of numpy arrays
SIZES = re.compile(rb"^tree_sizes=([\d ]+)$", re.MULTILINE)
TREE, END = b"Tree=", b"end of trees"


def require_whole(directory: Path) -> None:
    """An error when a header in ``directory`` is no JSON, or LightGBM's text is absent or cut short.

    Either could end the process: ``json`` follows brackets as deep as they go where a library has raised
    Python's limit, which pydantic's reader does not; LightGBM follows the sizes of trees that its text gives
    past the end.
    """
    for header in directory.rglob(HEADER_FILE):
        if from_json(header.read_bytes())["name"] == LightGBM.name:
            for name in TREES_FILES:
                if not _whole(header.with_name(name).read_bytes()):
                    raise FieldError(name, "does not hold the trees that it says")


def _whole(text: bytes) -> bool:
    sizes = SIZES.search(text)
    if not sizes:
        return False
    first = text.find(b"\n" + TREE) + 1
    *starts, end = accumulate(map(int, sizes[1].split()), initial=first)
    return all(text.startswith(TREE, start) for start in starts) and text.startswith(END, end)


def require_sound(model: Model) -> None:
    """An error when a part of ``model`` is not of its type, or its calibration not of its leads."""
    _require_types(model)
    leads = len(model.calibration.offsets) if isinstance(model, Located) else 1
    if leads not in {1, model.horizon}:
        raise FieldError("calibration", f"must have 1 lead or {model.horizon}, got {leads}")


def _require_types(part: object) -> None:
    if isinstance(part, tuple):
        for each in part:
            _require_types(each)
    elif isinstance(part, np.ndarray) and part.dtype.kind not in NUMBERS:
        raise FieldError("array", f"must hold numbers, got {part.dtype}")
    elif is_dataclass(part) and not isinstance(part, type):
        values = {item.name: getattr(part, item.name) for item in fields(part)}
        _declared(type(part)).model_validate(values)
        _require_types(tuple(values.values()))


@cache
def _declared(kind: type[Any]) -> type[BaseModel]:
    """The attributes of a dataclass with their types, as what can be validated."""
    hints = get_type_hints(kind)
    attributes: dict[str, Any] = {item.name: (hints[item.name], ...) for item in fields(kind)}
    return create_model(kind.__name__, __config__=AS_DECLARED, **attributes)
