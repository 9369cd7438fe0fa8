"""BUD: amplification, throttling, isolation."""

__all__: list[str] = []
