"""The one error that bad input raises, wherever it is noticed."""


class FieldError(ValueError):
    """A value that cannot be accepted; ``field`` names it as the caller wrote it."""

    def __init__(self, field: str, message: str, *, code: str = "invalid") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.code = code
