"""RTY: retry policy."""

__all__: list[str] = []
