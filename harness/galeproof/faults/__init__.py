"""Faults as data and pure functions."""

__all__: list[str] = []
