"""Sequence learning and boosting fused: members' centres, weighed by how they did on days unseen."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from forecasting.averaging import weights_of
from forecasting.calibration import NONE
from forecasting.examples import values_at
from forecasting.features import Features
from forecasting.models.base import Setting, Settings, read_header, resolved, write_header
from forecasting.models.lightgbm import LightGBM
from forecasting.models.linear import Linear
from forecasting.models.located import Lesson, Located, caution, loaded
from forecasting.models.lstm import LSTM
from forecasting.series import FloatArray, History, IntArray
from forecasting.vista import Vista

MEMBERS: tuple[type[Located], ...] = (Linear, LightGBM, LSTM)
DRAWN = 0.03  # how strongly weights are drawn to what they were, even at first, in parts of the squared error


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hybrid(Located):
    """A weighted mean of members that err differently; ``weights`` is (H, M), not negative, rows sum to 1.

    The weights come from days that the members of the first training had not seen, drawn to even ones.
    """

    name: ClassVar[str] = "hybrid"
    SETTINGS: ClassVar[dict[str, Setting]] = {
        f"{member.name}.{name}": setting for member in MEMBERS for name, setting in member.SETTINGS.items()
    }
    members: tuple[Located, ...]
    weights: FloatArray

    @classmethod
    def learn(cls, lesson: Lesson, trial: Self | None) -> Self:
        """See ``Located.learn``."""
        members = tuple(
            member.learn(
                replace(lesson, settings=_of(member, lesson.settings)),
                None if trial is None else trial.members[k],
            )
            for k, member in enumerate(MEMBERS)
        )
        even = np.full((lesson.horizon, len(MEMBERS)), 1 / len(MEMBERS))
        return cls(
            **lesson.facts,
            members=members,
            weights=even if trial is None else trial.weights,
        )

    def judged(self, history: History, origins: IntArray) -> Self:
        """See ``Located.judged``: the members' choices, and weights by what members said as they were."""
        chosen = replace(self, members=tuple(member.judged(history, origins) for member in self.members))
        since = self.since(history, origins)
        careful = caution(history, since, self.horizon)
        if careful == np.inf:
            return chosen
        served = chosen if self.calibration is NONE else self  # a trial has chosen nothing yet
        return replace(chosen, weights=_new_weights(served, history, since, careful * DRAWN))

    def renewed(self, history: History) -> Self:
        """See ``Located.renewed``."""
        return replace(self, members=tuple(member.renewed(history) for member in self.members))

    def centre(self, vista: Vista, features: Features) -> FloatArray:
        """See ``Located.centre``."""
        said = np.stack([member.centre(vista, features) for member in self.members], axis=-1)
        return np.asarray((said * self.weights[: said.shape[2]]).sum(axis=-1))

    def save(self, directory: Path) -> None:
        """Write ``model.json``, and each member into a folder of its name."""
        write_header(directory, self.header() | {"weights": self.weights.tolist()})
        for member in self.members:
            member.save(directory / member.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory, cls.name)
        members = tuple(member.load(directory / member.name) for member in MEMBERS)
        return cls(**loaded(header), members=members, weights=np.array(header["weights"]))


def _of(member: type[Located], settings: Settings) -> dict[str, float]:
    chosen = {
        name.removeprefix(f"{member.name}."): value
        for name, value in settings.items()
        if name.startswith(f"{member.name}.")
    }
    return resolved(member.SETTINGS, chosen)


def _new_weights(hybrid: Hybrid, history: History, origins: IntArray, strength: float) -> FloatArray:
    """Weights (H, M) by how the members of ``hybrid`` do at ``origins``, drawn to those that it has."""
    views = list(hybrid.views(Vista.at(history, origins), hybrid.horizon))
    unit = np.concatenate([features.unit for _, features in views], axis=1)
    actual = values_at(history, origins[:, None] + np.arange(hybrid.horizon)) / unit
    said = [
        np.concatenate([member.centre(vista, features) for vista, features in views], axis=1) / unit
        for member in hybrid.members
    ]
    return _weights(np.stack(said, axis=-1), actual, hybrid.weights, strength)


def _weights(said: FloatArray, actual: FloatArray, before: FloatArray, strength: float) -> FloatArray:
    """Weights (H, M) of forecasts (N, O, H, M) of ``actual`` (N, O, H): non-negative least squares by lead.

    Each lead is drawn to what all leads have in common, and that to what it was ``before`` (H, M).
    """
    missed = actual[..., None] - said
    usable = np.asarray(np.isfinite(missed).all(axis=-1))
    common = weights_of(missed[usable], before.mean(axis=0), strength)
    of_lead = [missed[:, :, lead][usable[:, :, lead]] for lead in range(said.shape[2])]
    return np.stack([weights_of(errors, common, 10 * strength) for errors in of_lead])
