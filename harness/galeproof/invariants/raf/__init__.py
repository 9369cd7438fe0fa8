"""RAF: Retry-After and rate limits."""

__all__: list[str] = []
