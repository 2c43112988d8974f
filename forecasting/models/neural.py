"""Models whose centre is a network's: how they learn, serve and are written down (PyTorch)."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from domain.errors import FieldError
from forecasting.anchor import Anchor
from forecasting.examples import Examples
from forecasting.features import Features
from forecasting.models.base import Setting, read_header, write_header
from forecasting.models.located import Lesson, Located, loaded
from forecasting.models.network import Network, Shape
from forecasting.models.sequence import Patches, asked, past_weeks, patch_calendar
from forecasting.series import FloatArray
from forecasting.vista import Vista

ROWS_PER_BATCH = 512
STOPPING_SHARE = 0.2
JUDGED_ROWS = 8_192  # of the newest days, which judge how long to train
CHECK_STEPS = 20  # steps between two looks at them, or the share of all steps so far where that is more
CHECK_SHARE = 0.08
PATIENCE_STEPS = 150  # steps without gain after which training stops, and half of what went before
WARM_STEPS = 50
AVERAGED = 0.99  # weight of the past in the running average of a network's weights
MOST_NORM = 1.0
PAIRS_AT_ONCE = 4_096
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Neural(Located):
    """A network gives ``(value / scale - guess) / spread``, where the guess is an ``Anchor``'s.

    One pass of the encoder an origin reads the past week; all leads then share one head. ``steps`` is what
    was worth its while on the newest days of the first training; every later one takes a tenth more.
    """

    SETTINGS: ClassVar = {
        "rows": Setting(200_000, 1_000, 2_000_000, log=True, integer=True),
        "steps": Setting(3_000, 20, 50_000, log=True, integer=True),
        "width": Setting(32, 8, 128, log=True, integer=True),
        "learning_rate": Setting(0.001, 0.0001, 0.01, log=True),
        "dropout": Setting(0.3, 0.0, 0.6),
        "weight_decay": Setting(0.05, 0.001, 2.0, log=True),
    }
    PATCHES_PER_DAY: ClassVar[int]
    features: tuple[str, ...]
    anchor: Anchor
    network: Network
    steps: int

    @staticmethod
    @abstractmethod
    def encoder(shape: Shape) -> nn.Module:
        """What reads the week: tokens (B, T, width) and rows (B, L, head) to (B, L or 1, head)."""

    @classmethod
    def learn(cls, lesson: Lesson, trial: Self | None) -> Self:
        """See ``Located.learn``."""
        history, settings = lesson.history, lesson.settings
        origins, given = lesson.drawn()
        anchor = Anchor.fit(given, lesson.horizon)
        patches = Patches.of(history, cls.PATCHES_PER_DAY)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        lessons = _lessons(Vista.at(history, origins), given, anchor, patches).to(device)
        shape = Shape(
            day=patches.day,
            patch=patches.steps,
            patches=patches.count,
            clock=lessons.clock.shape[-1],
            columns=lessons.rows.shape[-1],
            width=int(settings["width"]),
            dropout=settings["dropout"],
        )
        told = None if trial is None else min(int(trial.steps * 1.1) + 1, int(settings["steps"]))
        with _reproducible(lesson.seed, device):
            network, found = _trained(Network(shape, cls.encoder(shape)).to(device), lessons, settings, told)
        return cls(
            **lesson.facts,
            features=given.features.names,
            anchor=anchor,
            network=network.cpu(),
            steps=found if trial is None else trial.steps,
        )

    def centre(self, vista: Vista, features: Features) -> FloatArray:
        """See ``Located.centre``."""
        if features.names != self.features:
            raise FieldError("history", f"gives features {features.names}, the model knows {self.features}")
        shape = features.base.shape
        leads = np.broadcast_to(np.arange(shape[-1]), shape[1:])
        guess = self.anchor.guess(features, leads)
        patches = Patches(self.network.shape.day, self.network.shape.patch)
        week, clock, rows = _inputs(vista, features, guess, patches)
        with torch.inference_mode(), _one_thread():
            pairs = np.split(np.arange(len(week)), range(PAIRS_AT_ONCE, len(week), PAIRS_AT_ONCE))
            parts = [self.network(week[p], clock[p % len(clock)], rows[p]) for p in pairs]
        departure = torch.cat(parts).numpy().astype(np.float64).reshape(shape)
        return np.asarray((guess + departure * features.spread) * features.scale[..., None])

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the weights as safetensors."""
        mine = {
            "features": self.features,
            "anchor": self.anchor.dump(),
            "shape": asdict(self.network.shape),
            "steps": self.steps,
        }
        write_header(directory, self.header() | mine)
        save_file(self.network.state_dict(), directory / WEIGHTS_FILE)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory, cls.name)
        shape = Shape(**header["shape"])
        with torch.random.fork_rng(devices=[]):  # a new network draws weights, which are then replaced
            network = Network(shape, cls.encoder(shape))
        network.load_state_dict(load_file(directory / WEIGHTS_FILE))
        return cls(
            **loaded(header),
            features=tuple(header["features"]),
            anchor=Anchor.load(header["anchor"]),
            network=network.eval(),
            steps=header["steps"],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Lessons:
    """P pairs of series and origin, pair n * O + o: weeks (P, S), rows (P, L, F), targets and weights (P, L).

    ``clock`` (O, T, K) is common to all series; a weight of 0 marks what is not known.
    """

    week: Tensor
    clock: Tensor
    rows: Tensor
    target: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> "_Lessons":
        parts = (self.week, self.clock, self.rows, self.target, self.weight)
        return _Lessons(*(part.to(device) for part in parts))

    def pairs(self, *, stopping: bool) -> tuple[Tensor, Tensor]:
        """Pairs to learn from and, when ``stopping``, of the newest origins, to judge by."""
        known = (self.weight > 0).any(dim=1)
        origin = torch.arange(len(self.week), device=known.device) % len(self.clock)
        newest = origin >= int(len(self.clock) * (1 - STOPPING_SHARE))
        learn, judge = ((known & part).nonzero()[:, 0] for part in (~newest, newest))
        if not stopping or not len(learn) or not len(judge):
            return known.nonzero()[:, 0], judge[:0]
        return learn, judge[:: -(-self.weight[judge].numel() // JUDGED_ROWS)]

    def loss(self, network: Network, pairs: Tensor) -> Tensor:
        """Weighted squared error over ``pairs``, about 1 for what is no better than the guess."""
        departure = network(self.week[pairs], self.clock[pairs % len(self.clock)], self.rows[pairs])
        weight = self.weight[pairs]
        missed = (departure - self.target[pairs]) / network.target_unit
        loss: Tensor = (weight * missed.square()).sum() / weight.sum()
        return loss


def _lessons(vista: Vista, given: Examples, anchor: Anchor, patches: Patches) -> _Lessons:
    guess = anchor.guess(given.features, given.leads)
    pairs = (-1, guess.shape[-1])
    target = np.where(given.usable, given.departure(guess) / given.features.spread, 0.0)
    weight = np.where(given.usable, given.features.spread, 0.0)
    return _Lessons(
        *_inputs(vista, given.features, guess, patches),
        torch.from_numpy(target.reshape(pairs).astype(np.float32)),
        torch.from_numpy(weight.reshape(pairs).astype(np.float32)),
    )


def _inputs(
    vista: Vista, features: Features, guess: FloatArray, patches: Patches
) -> tuple[Tensor, Tensor, Tensor]:
    """Weeks (N * O, S), calendars of their patches (O, T, K), rows (N * O, L, F)."""
    week, rows = past_weeks(vista, features.scale), asked(features, guess)
    return (
        torch.from_numpy(week.reshape(-1, week.shape[-1])),
        torch.from_numpy(patch_calendar(vista, patches)),
        torch.from_numpy(rows.reshape(-1, *rows.shape[-2:])),
    )


def _trained(
    network: Network, lessons: _Lessons, settings: dict[str, float], steps: int | None
) -> tuple[Network, int]:
    """The network, its weights averaged, after ``steps`` or, if None, as many as help on the newest days.

    The learning rate falls as a cosine over all the steps that the settings allow, so that a training which
    stops early goes the same way as one that is told when to stop.
    """
    most = int(settings["steps"])
    learn, judge = lessons.pairs(stopping=steps is None)
    target, weight = lessons.target[learn], lessons.weight[learn]
    usual = float((weight * target.square()).sum() / weight.sum()) ** 0.5
    network.measure(lessons.week[learn], lessons.rows[learn][weight > 0], usual)
    averaged = AveragedModel(network, avg_fn=_drawn_near)
    mean = cast("Network", averaged.module)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: min(1.0, (k + 1) / WARM_STEPS) * (1 + math.cos(math.pi * min(k / most, 1.0))) / 2
    )
    batch = max(1, ROWS_PER_BATCH // lessons.rows.shape[1])
    least, best_step, best = math.inf, steps or most, None
    look = CHECK_STEPS
    network.train()
    for step in range(1, best_step + 1):
        pairs = learn[torch.randint(len(learn), (batch,), device=learn.device)]
        optimiser.zero_grad()
        lessons.loss(network, pairs).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(network.parameters(), MOST_NORM)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(network)
        if len(judge) and step in (look, most):
            look = max(step + CHECK_STEPS, int(step * (1 + CHECK_SHARE)))
            error = _error(mean, lessons, judge)
            if error < least:
                least, best_step = error, step
                best = {name: value.clone() for name, value in mean.state_dict().items()}
            elif step >= 1.5 * best_step + PATIENCE_STEPS:
                break
    network.load_state_dict(best or mean.state_dict())
    return network.eval(), best_step


def _drawn_near(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """A running average that forgets its first, untrained weights fast."""
    past = min(AVERAGED, (1 + float(count)) / (10 + float(count)))
    return averaged.lerp(current, 1 - past)


def _error(network: Network, lessons: _Lessons, pairs: Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        return float(lessons.loss(network, pairs))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, and the caller's number of threads again afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers by ``seed``, and the caller's again afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), _one_thread():
        torch.manual_seed(seed)
        yield
