"""What a client tells of itself: ids, telemetry, fallbacks."""

__all__: list[str] = []
