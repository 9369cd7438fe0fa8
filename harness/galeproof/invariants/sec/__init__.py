"""SEC: secrets."""

__all__: list[str] = []
