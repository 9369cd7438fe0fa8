"""``galeproof init``: from a client of your own to a first verdict."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from galeproof.cli.scaffold import Client, adapter_text, look
from galeproof.errors import UsageError

__all__ = ["init_command"]

_PROFILE = '''
# What your client promises; take away the "#" where it does. `galeproof run` prints what it measured.
# [{prefix}subjects.{name}.profile]
# max_attempts = 3
# connect_timeout_s = 1.0
# read_timeout_s = 1.0
# deadline_s = 6.0
# retry_on = ["connect", "reset", "timeout", 429, 502, 503, 504]
# backoff = {{ base_s = 0.2, factor = 2, cap_s = 2.0, jitter = "full" }}
# idempotency_key = "Idempotency-Key"
'''


def init_command(target: str | None, name: str | None, adapters: Path, force: bool) -> int:
    """Write an adapter and the settings; say what to type next.

    Raises:
        UsageError: No client was named, it cannot be looked at, or a file is in the way.
    """
    if target is None:
        target = _asked()
    client = look(target)
    name = name or _name(client)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise UsageError(f"--name {name!r}: letters, digits, - and _ only")
    if adapters.exists() and not force:
        raise UsageError(f"{adapters} exists already: --adapters OTHER.py, or --force to write over it")
    settings, text = _settings(name, f"{adapters.stem}:{_class(name)}")
    adapters.write_text(adapter_text(client, _class(name)), "utf-8")
    settings.write_text(text, "utf-8")
    print(f"wrote {adapters}: {len(client.operations)} operations of {client.target} "
          f"({', '.join(f'{n} ({k})' for n, k, *_ in client.operations)})")
    print(f"wrote {settings}: [subjects.{name}]")
    print("look at both: arguments were guessed from their names")
    print(f"then: galeproof run --subject {name}")
    return 0


def _asked() -> str:
    if not sys.stdin.isatty():
        raise UsageError("which client? galeproof init --client shop.billing:BillingClient (a class), or "
                         "--client shop.billing (a module of functions with a constant base URL)")
    return input("Your client, as module:Class (or a module of functions): ").strip()


def _name(client: Client) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", client.name).lower()
    return words.removesuffix("-client").removesuffix("-api") or words


def _class(name: str) -> str:
    return "".join(part.title() for part in re.split(r"[-_]", name)) + "Adapter"


def _settings(name: str, target: str) -> tuple[Path, str]:
    """The settings file and its new text: pyproject.toml where there is one, else galeproof.toml."""
    project = Path("pyproject.toml")
    path = project if project.exists() else Path("galeproof.toml")
    prefix = "tool.galeproof." if path == project else ""
    before = path.read_text("utf-8") if path.exists() else ""
    try:
        data = tomllib.loads(before)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    table = data.get("tool", {}).get("galeproof", {}) if prefix else data
    if name in table.get("subjects", {}):
        raise UsageError(f"{path}: subjects.{name} exists already: --name OTHER")
    more = f'[{prefix}subjects.{name}]\npython = "{target}"\n' + _PROFILE.format(prefix=prefix, name=name)
    return path, before + ("\n" if before and not before.endswith("\n\n") else "") + more
