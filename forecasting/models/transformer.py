"""Attention over patches of the past week (Transformer; Vaswani et al. 2017), pooled over all series."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from forecasting.models.network import Shape
from forecasting.models.neural import Neural

HEADS = 4  # or as many of them as divide the width


class Transformer(Neural):
    """The days of the week attend to each other; then each row, which is a lead, attends to the days."""

    name: ClassVar[str] = "transformer"
    PATCHES_PER_DAY: ClassVar[int] = 1

    @staticmethod
    def encoder(shape: Shape) -> nn.Module:
        """See ``Neural.encoder``."""
        return _Attention(shape)


class _Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, heads = shape.width, math.gcd(shape.width, HEADS)
        self.place = nn.Parameter(0.02 * torch.randn(shape.patches, width))
        self.days = nn.TransformerEncoderLayer(
            width, heads, 2 * width, shape.dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.question = nn.Sequential(nn.LayerNorm(shape.head), nn.Linear(shape.head, width))
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.out = nn.Linear(width, shape.head)

    def forward(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """See ``Neural.encoder``."""
        days = self.norm(self.days(tokens + self.place))
        answer, _ = self.attend(self.question(rows), days, days, need_weights=False)
        said: Tensor = self.out(answer)
        return said
