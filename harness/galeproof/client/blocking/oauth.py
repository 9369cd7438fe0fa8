# Generated from ../aio/oauth.py by ci/unasync: do not edit.
"""OAuth 2.0: client credentials and refresh, one request however many are waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from pydantic import SecretStr

from galeproof.client.audit import AuditLog
from galeproof.client.backoff import backoff_s
from galeproof.client.blocking.credentials import REVOKED
from galeproof.client.blocking.transport import Wire
from galeproof.client.building import timeouts_of
from galeproof.client.clock import BlockingClock
from galeproof.client.concurrency import BlockingFlight, FlightEnded
from galeproof.client.eligibility import may_retry
from galeproof.client.errors import CredentialUnavailable
from galeproof.client.exchange import Answer, Failure
from galeproof.client.gate import Refusal
from galeproof.client.redaction import Redactor
from galeproof.client.refresh_store import RefreshStore
from galeproof.client.retry_after import parse_retry_after
from galeproof.client.secret import StaticSecret, Token
from galeproof.client.sections import OAuthSettings
from galeproof.client.settings import ClientSettings
from galeproof.client.tokens import (
    Grant,
    TokenAnswer,
    basic_of,
    read_token,
    revocation_form,
    token_form,
    token_headers,
    token_refusal,
)

__all__ = ["OAuthCredential"]

_NAME = "oauth.access_token"
_BEYOND = Refusal(
    "scope_not_granted", "the operation needs a scope that the client may not ask for",
    CredentialUnavailable,
)  # fmt: skip
_CLOSED = Refusal("client_closed", "the client was closed meanwhile", CredentialUnavailable)


@dataclass(slots=True)
class _Held:
    """The token of one scope."""

    token: Token = field(repr=False)
    use_until_s: float
    obtained_at_s: float


class OAuthCredential:
    """Tokens by scope; what expires or is refused is replaced once, for all who wait.

    Args:
        oauth: the authority, and who we are to it.
        settings: timeouts, attempts and backoff of a token request.
        secret: the client secret and its source.
        wire: the connections.
        clock: time.
        rng: dice for the backoff.
        audit: where uses and changes are written.
        redactor: learns every token.
    """

    def __init__(
        self,
        oauth: OAuthSettings,
        settings: ClientSettings,
        secret: StaticSecret,
        wire: Wire,
        clock: BlockingClock,
        rng: Random,
        audit: AuditLog,
        redactor: Redactor,
    ) -> None:
        self._oauth, self._settings, self._secret = oauth, settings, secret
        self._wire, self._clock, self._rng = wire, clock, rng
        self._audit, self._redactor = audit, redactor
        self._refresh = RefreshStore(oauth.refresh_token, oauth.refresh_token_file, redactor)
        self._held: dict[str, _Held] = {}
        self._flights: dict[str, BlockingFlight[Token | Refusal]] = {}
        self._generation = 0
        self._revoked = False
        # The refusals of the authority, and the secret that each was given to; by scope where it
        # is the scope that is refused, None for the client as a whole.
        self._dead: dict[str | None, tuple[int, Refusal]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scopes={self._oauth.scopes!r})"

    def token(self, scope: str, correlation_id: str) -> Token | Refusal:
        """Return a token for a scope, got first where there is none that lasts."""
        if self._oauth.scopes and not set(scope.split()) <= set(self._oauth.scopes):
            return _BEYOND
        scope = self._asked(scope)
        if self._revoked:
            return REVOKED
        held = self._held.get(scope)
        if held is not None and self._clock.monotonic() < held.use_until_s:
            found: Token | Refusal = held.token
        else:
            found = self._obtain(scope)
        if self._revoked:
            return REVOKED
        if isinstance(found, Token):
            self._audit.note(
                "use", _NAME, found.generation, correlation_id=correlation_id, detail=scope or "-"
            )
        return found

    def renewed(self, used: Token, scope: str) -> bool:
        """Replace a refused token, unless another caller has done it or it is brand-new."""
        scope = self._asked(scope)
        held = self._held.get(scope)
        if held is not None and held.token.generation != used.generation:
            return True
        self._audit.note("refused", _NAME, used.generation, detail=scope or "-")
        if self._revoked or held is None:
            return False
        # A fresh token that is refused would be refused again: no loop of refreshes.
        if self._clock.monotonic() - held.obtained_at_s < self._oauth.refresh_every_s:
            return False
        held.use_until_s = 0.0
        return isinstance(self._obtain(scope), Token) and not self._revoked

    def revoke(self) -> None:
        """Tell the authority, where it can be told, and never use a token again."""
        self._revoked = True
        held, self._held = list(self._held.values()), {}
        self._give_back([self._refresh.take(), *(one.token.value for one in held)])
        self._audit.note("revoked", _NAME, self._generation, detail="by the caller")

    def close(self) -> None:
        """End what is under way."""
        for flight in list(self._flights.values()):
            flight.cancel()

    def _asked(self, scope: str) -> str:
        """Return the scope to ask for: the operation's own, or all where there is no choice.

        A refresh token serves all scopes and must not be used twice at once: one token for all.
        """
        narrow = scope and self._oauth.scopes and self._refresh.held is None
        return scope if narrow else " ".join(self._oauth.scopes)

    def _obtain(self, scope: str) -> Token | Refusal:
        """Get a token; who comes while one is on its way waits for that."""
        dead = self._dead.get(None) or self._dead.get(scope)
        if dead is not None and dead[0] == self._secret.current().generation:
            if not self._refresh.reread():
                return dead[1]
            self._dead.clear()
        flight = self._flights.setdefault(scope, BlockingFlight())

        def start() -> Token | Refusal:
            return self._fetch(scope)

        try:
            return flight.join(start)
        except FlightEnded:
            return _CLOSED

    def _fetch(self, scope: str) -> Token | Refusal:
        """Ask the authority, within a deadline of its own."""
        held = self._held.get(scope)
        if held is not None and self._clock.monotonic() < held.use_until_s:
            return held.token
        grant = Grant(scope, self._refresh.held)
        form = partial(token_form, grant, self._oauth)
        outcome, used = self._post(self._oauth.token_url, form)
        refused = isinstance(outcome, Answer) and outcome.status == 401
        if refused and (self._secret.current() != used or self._secret.reload()):
            outcome, used = self._post(self._oauth.token_url, form)
        answer = None
        if isinstance(outcome, Answer) and 200 <= outcome.status < 300:
            answer = read_token(outcome)
        if answer is not None and self._revoked:
            # it was revoked while this was on its way: nobody may use what came
            for token in (answer.refresh_token, answer.access_token):
                if token is not None:
                    self._redactor.learn(token)
            self._give_back([answer.refresh_token, answer.access_token])
            return REVOKED
        if answer is not None:
            return self._keep(grant, answer)
        refusal = token_refusal(outcome, self._redactor)
        if isinstance(outcome, Answer) and outcome.status in (400, 401, 403):
            # Definitive for this secret: asking again would be load for nothing.
            about = scope if refusal.code == "invalid_scope" else None
            self._dead[about] = (used.generation, refusal)
            self._audit.note("refused", self._secret.name, used.generation, detail=refusal.code)
        return refusal

    def _keep(self, grant: Grant, answer: TokenAnswer) -> Token:
        """Store a token; one whose scope is not what was asked is noted."""
        scope = grant.scope
        self._redactor.learn(answer.access_token)
        self._generation += 1
        now_s = self._clock.monotonic()
        early_s = min(self._oauth.early_s, answer.expires_in / 10)
        token = Token(answer.access_token, self._generation)
        self._held[scope] = _Held(token, now_s + answer.expires_in - early_s, now_s)
        self._audit.note("obtained", _NAME, self._generation, detail=scope or "-")
        # Client credentials bring no refresh token (RFC 6749, 4.4.3); one that comes is not kept.
        if answer.refresh_token is not None and grant.refresh is not None:
            self._rotate(answer.refresh_token)
        if answer.scope is not None and set(answer.scope.split()) != set(scope.split()):
            self._audit.note("scope_differs", _NAME, self._generation, detail="granted differs from asked")
        return token

    def _rotate(self, token: SecretStr) -> None:
        """Keep a new refresh token; a disk that refuses it costs the next start, not this one."""
        try:
            changed = self._refresh.put(token)
        except OSError as error:
            detail = error.strerror or "the disk refuses"
            self._audit.note("store_failed", "oauth.refresh_token", self._generation, detail=detail)
            return
        if changed:
            self._audit.note("changed", "oauth.refresh_token", self._generation)

    def _give_back(self, tokens: list[SecretStr | None]) -> None:
        """Tell the authority, where it can be told, that these are of no more use."""
        for token in tokens:
            if token is not None and self._oauth.revoke_url is not None:
                self._post(
                    self._oauth.revoke_url, partial(revocation_form, token, self._oauth)
                )

    def _post(
        self, url: str, form: Callable[[SecretStr], bytes]
    ) -> tuple[Answer | Failure, Token]:
        """Ask the authority, again where that is safe; a lost refresh is resent exactly.

        Each attempt is made with the client secret that is in force then.

        Args:
            url: the endpoint.
            form: makes the body, given the client secret.

        Returns:
            What came of it, and the client secret that was used last.
        """
        settings = self._settings
        until_s = self._clock.monotonic() + settings.deadline_s
        outcome: Answer | Failure = Failure("timeout")
        used = self._secret.current()
        for attempt in range(1, settings.max_attempts + 1):
            used = self._secret.current()
            self._redactor.learn(SecretStr(basic_of(self._oauth, used.value)))
            headers = token_headers(self._oauth, used.value, settings.user_agent)
            left_s = until_s - self._clock.monotonic()
            try:
                with self._clock.limit(left_s):
                    outcome = self._wire.exchange(
                        "POST", url, headers=headers, body=form(used.value),
                        timeouts=timeouts_of(settings, left_s),
                    )  # fmt: skip
            except TimeoutError:
                return Failure("timeout"), used
            failure = outcome.status if isinstance(outcome, Answer) else outcome.kind
            wait_s = self._wait_s(outcome, attempt)
            late = self._clock.monotonic() + wait_s >= until_s
            if not may_retry(failure, method="POST", keyed=True) or late:
                break
            if attempt < settings.max_attempts:
                self._clock.sleep(wait_s)
        return outcome, used

    def _wait_s(self, outcome: Answer | Failure, attempt: int) -> float:
        settings = self._settings
        floor_s: float | None = None
        if isinstance(outcome, Answer):
            floor_s = parse_retry_after(
                outcome.headers.get("retry-after"), wall_s=self._clock.wall()
            )
        return (floor_s or 0.0) + backoff_s(
            self._rng,
            attempt,
            base_s=settings.backoff_base_s,
            factor=settings.backoff_factor,
            cap_s=settings.backoff_cap_s,
            jitter=settings.backoff_jitter,
        )
