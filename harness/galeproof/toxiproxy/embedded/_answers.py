"""What the control API says, as Go's encoding/json writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from galeproof.toxiproxy.embedded._json import float32
from galeproof.toxiproxy.embedded._proxy import Proxy
from galeproof.toxiproxy.embedded._toxic import Toxic
from galeproof.toxiproxy.embedded._traffic import STREAMS

__all__ = ["Answer", "failure", "plain", "populate_failure", "proxies_text", "proxy_text",
           "toxic_text", "toxics_text", "write"]

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and the headers that matter.

    Attributes:
        status: The HTTP status.
        body: Text; sent as UTF-8.
        content_type: None where there is none.
        headers: Further ones.
        matched: Whether a route was found: only then has the answer a request id.
    """

    status: int
    body: str = ""
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())
    matched: bool = True


def plain(status: int, body: str, *, matched: bool = True) -> Answer:
    """An answer in plain text, as Go's http.Error makes it."""
    return Answer(status, body, _TEXT, (("X-Content-Type-Options", "nosniff"),), matched)


def failure(status: int, message: str) -> Answer:
    """An error: JSON that calls itself text, as Toxiproxy's does."""
    return plain(status, _error(status, message) + "\n")


def populate_failure(status: int, message: str, done: Sequence[Proxy]) -> Answer:
    """An error of /populate, with the proxies that were made before it."""
    return Answer(status, f"{_error(status, message)[:-1]},{proxies_text(done)}}}")


def proxies_text(proxies: Sequence[Proxy]) -> str:
    """The member ``proxies``; null where there are none."""
    listed = f"[{','.join(map(proxy_text, proxies))}]" if proxies else "null"
    return f'"proxies":{listed}'


def toxic_text(toxic: Toxic) -> str:
    """A toxic as the API answers it."""
    return (
        f'{{"attributes":{write(dict(toxic.attributes))},"name":{write(toxic.name)},'
        f'"type":{write(toxic.kind.name)},"stream":{write(toxic.stream)},'
        f'"toxicity":{_shortest(toxic.toxicity)}}}'
    )


def toxics_text(toxics: Sequence[Toxic]) -> str:
    """An array of toxics."""
    return f"[{','.join(map(toxic_text, toxics))}]"


def proxy_text(proxy: Proxy, *, traffic: bool = False) -> str:
    """A proxy as the API answers it, the accidental ``Logger`` included.

    Args:
        proxy: What to show.
        traffic: Add a member of ours, ``traffic``.
    """
    counted = f',"traffic":{_traffic(proxy)}' if traffic else ""
    return (
        f'{{"name":{write(proxy.name)},"listen":{write(proxy.listen)},'
        f'"upstream":{write(proxy.upstream)},"enabled":{write(proxy.enabled)},'
        f'"Logger":{{}},"toxics":{toxics_text(proxy.all_toxics())}{counted}}}'
    )


def write(value: object) -> str:
    """Compact JSON with Go's escapes."""
    out = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Go has short forms for three control characters only.
    out = out.replace("\\b", "\\u0008").replace("\\f", "\\u000c") if "\\" in out else out
    for character in "<>&\u2028\u2029":
        out = out.replace(character, f"\\u{ord(character):04x}")
    return out


def _traffic(proxy: Proxy) -> str:
    flows = {stream: proxy.flow(stream) for stream in STREAMS}
    return write({
        "connections": proxy.traffic.accepted,
        "refused": proxy.traffic.refused,
        "open": proxy.open,
        **{stream: {"received": flow.received, "sent": flow.sent} for stream, flow in flows.items()},
    })


def _error(status: int, message: str) -> str:
    return f'{{"error":{write(message)},"status":{status}}}'


def _shortest(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    digits = next(n for n in range(1, 10) if float32(f"{value:.{n}g}") == value)
    short = float(f"{value:.{digits}g}")
    if short and not 1e-6 <= abs(short) < 1e21:
        mantissa, _, exponent = f"{short:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"
    return f"{short:.15f}".rstrip("0").rstrip(".")
