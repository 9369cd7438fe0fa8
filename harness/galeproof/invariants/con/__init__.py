"""Connections that are kept, and those that were given up."""

__all__: list[str] = []
