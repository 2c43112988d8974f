"""The network of the LSTM and the Transformer: the week through an encoder, all leads through one head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CLIP = 6.0  # usual departures from the mean beyond which an input says no more than that it is extreme
LEAST_UNIT = 1e-3
CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network.

    ``day`` readings make a day, ``patch`` of them one of ``patches`` tokens, which ``clock`` calendar columns
    accompany; a row has ``columns``. The encoder is ``width`` wide, the head twice that.
    """

    day: int
    patch: int
    patches: int
    clock: int
    columns: int
    width: int
    dropout: float

    @property
    def head(self) -> int:
        """Width of the head."""
        return 2 * self.width


class Network(nn.Module):
    """Departures (B, L) in units of the spread, from weeks (B, S), calendars (B, T, K) and rows (B, L, F).

    NaN is unknown, in weeks and rows alike. ``encoder`` takes tokens (B, T, width) and rows (B, L, head), and
    gives what the week says to each row, (B, L or 1, head). Moments of the training data are buffers, so a
    prediction depends on nothing beside it in the batch.
    """

    row_mean: Tensor
    row_unit: Tensor
    week_unit: Tensor
    target_unit: Tensor

    def __init__(self, shape: Shape, encoder: nn.Module) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("row_mean", torch.zeros(shape.columns))
        self.register_buffer("row_unit", torch.ones(shape.columns))
        self.register_buffer("week_unit", torch.ones(CHANNELS - 1))
        self.register_buffer("target_unit", torch.ones(()))
        self.token = nn.Linear(CHANNELS * shape.patch + shape.clock, shape.width)
        self.encoder = encoder
        self.row = nn.Linear(shape.columns, shape.head)
        self.thin = nn.Dropout(shape.dropout / 2)
        self.blocks = nn.ModuleList(_Block(shape.head, shape.dropout) for _ in range(2))
        self.norm = nn.LayerNorm(shape.head)
        self.curved = nn.Linear(shape.head, 1)
        self.straight = nn.Linear(shape.columns, 1)
        for last in (self.curved, self.straight):
            nn.init.zeros_(last.weight)  # training starts from the guess

    def measure(self, week: Tensor, rows: Tensor, target_unit: float) -> None:
        """Keep the moments of training weeks (B, S) and rows (R, F), and the usual size of the target."""
        known = ~torch.isnan(rows)
        count = known.sum(0).clamp(min=1)
        filled = torch.nan_to_num(rows)
        self.row_mean = filled.sum(0) / count
        variance = ((filled - self.row_mean) * known).square().sum(0) / count
        self.row_unit = variance.sqrt().clamp(min=LEAST_UNIT)
        parts = channels(week, self.shape.day)[:-1]
        self.week_unit = torch.stack([part.square().mean().sqrt() for part in parts]).clamp(min=LEAST_UNIT)
        self.target_unit = torch.tensor(max(target_unit, LEAST_UNIT**2), device=rows.device)

    def forward(self, week: Tensor, clock: Tensor, rows: Tensor) -> Tensor:
        """See the class."""
        known = ~torch.isnan(rows)
        given = ((torch.nan_to_num(rows) - self.row_mean) / self.row_unit * known).clamp(-CLIP, CLIP)
        hidden = self.row(self.thin(given))
        hidden = hidden + self.encoder(self.token(torch.cat([self._patches(week), clock], dim=-1)), hidden)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        departure: Tensor = self.curved(self.norm(hidden)) + self.straight(given)
        return departure.squeeze(-1) * self.target_unit

    def _patches(self, week: Tensor) -> Tensor:
        """Channels of a week (B, S) side by side for each patch, (B, T, CHANNELS * patch)."""
        size = self.shape.patch * self.shape.patches
        *values, known = channels(week, self.shape.day)
        scaled = [(part / unit).clamp(-CLIP, CLIP) for part, unit in zip(values, self.week_unit, strict=True)]
        cut = (len(week), self.shape.patches, self.shape.patch)
        return torch.cat([part[:, -size:].reshape(cut) for part in (*scaled, known)], dim=-1)


def channels(week: Tensor, day: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of a week (B, S), NaN where unknown: values less their mean, anomalies, and 1 where known; (B, S) each.

    An anomaly is a value less the mean of its time of day; both are 0 where unknown.
    """
    known = (~torch.isnan(week)).to(week.dtype)
    filled = torch.nan_to_num(week)
    level = filled.sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    by_day, known_by_day = (part.reshape(len(week), -1, day) for part in (filled, known))
    usual = by_day.sum(1, keepdim=True) / known_by_day.sum(1, keepdim=True).clamp(min=1)
    return (filled - level) * known, ((by_day - usual) * known_by_day).flatten(1), known


class _Block(nn.Sequential):
    """What a layer adds to what it is given."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
