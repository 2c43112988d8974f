"""A recurrent network with memory cells (LSTM; Hochreiter and Schmidhuber 1997), pooled over all series."""

from typing import ClassVar

from torch import Tensor, nn

from forecasting.models.network import Shape
from forecasting.models.neural import Neural


class LSTM(Neural):
    """Reads the week patch by patch, the newest last; what it then remembers is added to every row."""

    name: ClassVar[str] = "lstm"
    PATCHES_PER_DAY: ClassVar[int] = 4

    @staticmethod
    def encoder(shape: Shape) -> nn.Module:
        """See ``Neural.encoder``."""
        return _Memory(shape)


class _Memory(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.cells = nn.LSTM(shape.width, shape.width, batch_first=True)
        self.thin = nn.Dropout(shape.dropout)
        self.out = nn.Linear(shape.width, shape.head)

    def forward(self, tokens: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002 - all rows are told the same
        """See ``Neural.encoder``."""
        remembered, _ = self.cells(tokens)
        said: Tensor = self.out(self.thin(remembered[:, -1:]))
        return said
