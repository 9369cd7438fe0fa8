"""One Pact mock server for one interaction.

Two interactions that differ only in provider state are told apart by no server (the first always
answers, and both count as matched), and matching slows down faster than linearly: so one each.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import Interaction, check_interactions
from galeproof.contract.library import load_pact

__all__ = ["Fragment", "MockProvider", "serve"]


class Fragment:
    """The pact of one interaction, which a mock server saw matched.

    Only `MockProvider.fragment` makes one, so that nothing else can get into a pact file.
    """

    __slots__ = ("document", "interaction")

    def __init__(self, interaction: Interaction, document: Mapping[str, Any]) -> None:
        self.interaction = interaction
        self.document = document


class MockProvider:
    """A running mock server; use it as `with serve(interaction) as mock`, or call `stop`.

    Attributes:
        interaction: What it answers.
        url: Where, `http://127.0.0.1:<port>`.
        port: The port.
    """

    def __init__(self, interaction: Interaction, pact: Any, server: Any) -> None:
        self.interaction = interaction
        self.port = int(server.port)
        self.url = f"http://127.0.0.1:{self.port}"
        self._pact: Any = pact
        self._server: Any = server
        self._last: tuple[bool, list[str]] = (False, [])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def matched(self) -> bool:
        """Tell whether the request came, and every complete request matched.

        It says nothing of answers: one that was cut on its way to the client is matched too.
        """
        return bool(self._server.matched) if self._server is not None else self._last[0]

    def mismatches(self) -> list[str]:
        """Return one text per mismatch; a request that never came is one too."""
        if self._server is None:
            return list(self._last[1])
        return [str(item) for item in self._server.mismatches]

    def stop(self) -> None:
        """End the server and free its port; what it saw can still be asked."""
        if self._server is None:
            return
        self._last = (self.matched(), self.mismatches())
        server, self._server = self._server, None
        server.__exit__(None, None, None)
        # The port stays open until the server object is collected: the last reference goes here.
        del server

    def fragment(self) -> Fragment:
        """Return the pact of this interaction.

        Raises:
            ContractError: The request did not come, or did not match.
        """
        if not self.matched():
            raise ContractError(
                f"interaction {self.interaction.description!r} did not match, so it is not "
                f"written: {'; '.join(self.mismatches()) or 'no request came'}"
            )
        with tempfile.TemporaryDirectory(prefix="galeproof-pact-") as folder:
            self._pact.write_file(folder, overwrite=True)
            (path,) = Path(folder).glob("*.json")
            return Fragment(self.interaction, json.loads(path.read_text("utf-8")))


def serve(interaction: Interaction) -> MockProvider:
    """Start a mock server for one interaction, on a free loopback port.

    A request that does not match is answered 500 with the header `x-pact`.

    Args:
        interaction: What it expects and answers.

    Returns:
        The running server.

    Raises:
        ContractError: The interaction is refused, pact-python is not installed, or the library
            cannot make a server of it.
    """
    check_interactions([interaction])
    library = load_pact()
    try:
        pact = library.Pact(interaction.consumer, interaction.provider)
        _define(pact, interaction)
        server = pact.serve("127.0.0.1", raises=False, verbose=False)
        server.__enter__()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ContractError(
            f"interaction {interaction.description!r}: no mock server: {error}"
        ) from error
    return MockProvider(interaction, pact, server)


def _define(pact: Any, item: Interaction) -> None:
    """Tell pact-python what the interaction is."""
    made = pact.upon_receiving(item.description)
    for state in item.states:
        made.given(state.name, dict(state.params))
    made.with_request(item.request.method, item.request.path)
    for name, value in item.request.headers.items():
        made.with_header(name, value)
    for name, value in item.request.query.items():
        made.with_query_parameter(name, value)
    if item.request.body is not None:
        made.with_body(item.request.body, content_type=item.request.content_type)
    made.will_respond_with(item.response.status)
    for name, value in item.response.headers.items():
        made.with_header(name, value)
    if item.response.body is not None:
        made.with_body(item.response.body, content_type=item.response.content_type)
