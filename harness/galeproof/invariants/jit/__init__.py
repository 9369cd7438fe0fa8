"""JIT: jitter."""

__all__: list[str] = []
