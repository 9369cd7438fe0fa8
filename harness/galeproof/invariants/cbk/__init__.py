"""CBK: circuit breakers, judged from the wire."""

__all__: list[str] = []
