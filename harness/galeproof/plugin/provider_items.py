"""Pacts as pytest items: one an interaction, each verified alone and exactly once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from galeproof.errors import HarnessError

__all__ = ["ProviderFile", "ProviderItem"]


class ProviderFile(pytest.File):
    """One pact file, for the provider of ``--galeproof-provider``."""

    def collect(self) -> Iterator[ProviderItem]:
        """Give one item an interaction; a pact that is refused is an error, never an empty file."""
        from galeproof.contract.reading import read_pact, states_of

        try:
            pact = read_pact(self.path)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for number, item in enumerate(pact.interactions):
            states = "+".join(state["name"] for state in states_of(item))
            yield ProviderItem.from_parent(self, name=f"{item['description']} [{states}]", pact=pact,
                                           number=number)
        for description, why in pact.others:
            yield ProviderItem.from_parent(self, name=description, pact=pact, number=None, why=why)


class ProviderItem(pytest.Item):
    """One interaction."""

    def __init__(self, *, pact: Any, number: int | None, why: str = "", **given: Any) -> None:
        super().__init__(**given)
        self._pact, self._number, self._why = pact, number, why
        # one provider has one state at a time: no two workers may set it at once
        self.add_marker(pytest.mark.xdist_group("galeproof-provider"))

    def runtest(self) -> None:
        """Verify it."""
        from galeproof.contract.verify import verify_pact

        if self._number is None:
            pytest.fail(f"not verified: {self._why}", pytrace=False)
        url = self.config.getoption("--galeproof-provider")
        with _states(self.config.getoption("--galeproof-states")) as (state_url, server):
            try:
                results = [r for r in verify_pact(
                    self._pact, [self._number], url, state_url,
                    errors=lambda: server.errors if server else ()) if r.verified]
            except HarnessError as error:
                pytest.fail(str(error), pytrace=False)
        if len(results) != 1:
            pytest.fail(f"{len(results)} results, not one", pytrace=False)
        if not results[0].passed:
            pytest.fail("\n".join(results[0].reasons), pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Name the item as people read it."""
        return self.path, None, f"{self._pact.consumer} -> {self._pact.provider}: {self.name}"


@contextlib.contextmanager
def _states(told: str | None) -> Iterator[tuple[str | None, Any]]:
    """Give where states are set, and our own endpoint where it is ours."""
    if told is None or told.startswith("http"):
        yield told, None
        return
    from galeproof.contract.state_server import StateServer, load_states

    handlers = load_states(Path(told))
    count = handlers.pop("count effects", None)
    with StateServer(handlers, count) as server:
        yield server.url, server
