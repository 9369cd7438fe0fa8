"""TMO: timeouts and deadlines."""

__all__: list[str] = []
