"""Plugins that pytest takes from the topmost conftest only."""

pytest_plugins = ["pytester"]
