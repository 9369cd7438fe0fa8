"""Clock, chance, recorder, and HTTP/1 message boundaries. Imports ``model`` and ``errors`` only."""

__all__: list[str] = []
