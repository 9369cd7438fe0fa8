"""IDM: idempotency."""

__all__: list[str] = []
