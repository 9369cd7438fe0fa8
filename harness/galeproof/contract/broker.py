"""A Pact Broker, asked by ourselves: which pacts a provider must verify, and what came of it.

Pact's own verifier takes an empty selection for a green one, publishes success after a filter that left
nothing, and reports a failed publication in a line of its log only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from galeproof.contract.errors import ContractError
from galeproof.contract.reading import PactFile, parse_pact
from galeproof.contract.verify import InteractionResult

__all__ = ["Broker"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FOR_VERIFICATION = "pb:provider-pacts-for-verification"
_RESULTS = "pb:publish-verification-results"
_BRANCH = "pb:pacticipant-branch-version"
_SELECTORS = ({"mainBranch": True}, {"matchingBranch": True}, {"deployedOrReleased": True})


class Broker:
    """One broker; use it as `with Broker(url) as broker`. Credentials come from `PACT_BROKER_TOKEN`, or
    `PACT_BROKER_USERNAME` and `PACT_BROKER_PASSWORD`, so that none stands in a process list.

    Args:
        url: Its base URL.
        timeout_s: Longest wait for an answer, in seconds.
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        token, user = os.environ.get("PACT_BROKER_TOKEN"), os.environ.get("PACT_BROKER_USERNAME")
        auth = (user, os.environ.get("PACT_BROKER_PASSWORD", "")) if user and not token else None
        self._client = httpx.Client(
            timeout=timeout_s, auth=auth, trust_env=urlsplit(url).hostname not in _LOOPBACK,
            headers={"Accept": "application/hal+json, application/json",
                     **({"Authorization": f"Bearer {token}"} if token else {})})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def reach(self) -> None:
        """See that it is there: Pact's own tools ask again for a minute.

        Raises:
            ContractError: Unreachable, or no broker.
        """
        self._link(self._ask("GET", self._url), _FOR_VERIFICATION)

    def pacts(self, provider: str, branch: str | None = None) -> list[PactFile]:
        """Return the pacts that a provider must verify: of main branches, of the same branch, and of what
        is deployed.

        Raises:
            ContractError: Unreachable, no broker, no pact, or a pact is refused.
        """
        where = self._link(self._ask("GET", self._url), _FOR_VERIFICATION, provider=provider)
        order: dict[str, Any] = {"consumerVersionSelectors": list(_SELECTORS), "includePendingStatus": False}
        if branch:
            order["providerVersionBranch"] = branch
        listed = (self._ask("POST", where, order).get("_embedded") or {}).get("pacts") or []
        if not listed:
            raise ContractError(f"{self._url}: has no pact for provider {provider!r}, so nothing would be "
                                "verified")
        found = []
        for one in listed:
            href = one["_links"]["self"]["href"]
            answer = self._send("GET", href)
            found.append(parse_pact(answer.text, Path(href)))
        return found

    def publish_result(self, pact: PactFile, results: Sequence[InteractionResult], version: str,
                       branch: str | None) -> bool:
        """Publish what a whole verification of one of `pacts` showed.

        Args:
            pact: As it came from `pacts`.
            results: One per interaction.
            version: Of the provider.
            branch: Of the provider, or None.

        Returns:
            What was published: whether every interaction was verified and held.

        Raises:
            ContractError: A part only was verified, or the broker did not take it.
        """
        numbers = [r.number for r in results if r.verified]
        if numbers != list(range(len(pact.interactions))) or pact.others:
            raise ContractError(f"{pact.path}: {len(numbers)} of "
                                f"{len(pact.interactions) + len(pact.others)} interactions were verified; a "
                                "part is not published")
        if branch:
            index = self._ask("GET", self._url)
            self._ask("PUT", self._link(index, _BRANCH, pacticipant=pact.provider, branch=branch,
                                        version=version), {})
        success = all(r.passed for r in results)
        where = self._link(pact.document, _RESULTS)
        tests = [{"interactionDescription": r.description, "success": r.passed} for r in results]
        self._ask("POST", where, {
            "success": success, "providerApplicationVersion": version,
            "verifiedBy": {"implementation": "galeproof"}, "testResults": tests})
        return success

    def holds(self, consumer: str, provider: str, version: str, count: int) -> None:
        """See for ourselves that a published pact is there, whole.

        Raises:
            ContractError: It is not.
        """
        parts = (quote(part, safe="") for part in (provider, consumer, version))
        where = "{}/pacts/provider/{}/consumer/{}/version/{}".format(self._url, *parts)
        there = len(self._ask("GET", where).get("interactions") or ())
        if there != count:
            raise ContractError(f"{where}: {there} interactions, and {count} were published")

    def _ask(self, method: str, url: str, document: Any = None) -> Mapping[str, Any]:
        answer = self._send(method, url, document)
        try:
            found = answer.json() if answer.content else {}
        except ValueError:
            raise ContractError(f"{url}: no broker: answered {answer.status_code} without JSON") from None
        if not isinstance(found, Mapping):
            raise ContractError(f"{url}: no broker: answered no object")
        return found

    def _send(self, method: str, url: str, document: Any = None) -> httpx.Response:
        try:
            answer = self._client.request(method, url, json=document)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ContractError(f"{url}: the broker cannot be reached: {error}") from None
        if not 200 <= answer.status_code < 300:
            raise ContractError(
                f"{method} {url}: the broker answered {answer.status_code}: {answer.text[:300]}")
        return answer

    def _link(self, document: Mapping[str, Any], name: str, **values: str) -> str:
        link = (document.get("_links") or {}).get(name)
        if not isinstance(link, Mapping) or not isinstance(link.get("href"), str):
            raise ContractError(f"{self._url}: no broker that knows {name}")
        href = str(link["href"])
        for key, value in values.items():
            href = href.replace("{" + key + "}", quote(value, safe=""))
        return href
