"""The pages that are made from the settings themselves."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from galeproof.client import ClientSettings
from galeproof.client.policy import policy_of, summary_of
from galeproof.client.profiles import PROFILES
from galeproof.client.sections import OAuthSettings

__all__ = ["policy_page", "settings_page"]

_PREFIX = "GALEPROOF_CLIENT_"
_HEAD = """# Settings

Made by `ci/client-features`. Times in seconds, sizes in bytes. A setting is given as an argument of
`ClientSettings`, or as a variable of the environment. For one dependency,
`ClientSettings.for_dependency("payments")` reads `GALEPROOF_CLIENT_PAYMENTS_...` first and the
variables below for what is common. A wrong value is one `SettingsError` that names the setting and
never shows the value.

| Setting | Variable | Default |
|---|---|---|
"""


def settings_page() -> str:
    """Return every setting with its variable and its default."""
    rows = [_row(name, env, default) for name, env, default in _walk(ClientSettings, "", _PREFIX)]
    sections = [
        f"\n## `{name}`\n\n{_text(model)}\n"
        for name, model in _sections(ClientSettings)
    ]
    return _HEAD + "\n".join(rows) + "\n" + "".join(sections)


def policy_page() -> str:
    """Return the policy of each profile, as a table and as data."""
    parts = [
        "# The policy, by profile\n\nMade by `ci/client-features` from `policy_summary()` and `policy()` of "
        "the default settings.\nA program prints its own: `print(client.policy_summary())`.\n"
    ]
    for name in PROFILES:
        settings = ClientSettings(base_url="https://payments.example", api_key="-", profile=name)
        data = json.dumps(policy_of(settings), indent=1)
        parts.append(f"\n## {name}\n\n{summary_of(settings)}\n```json\n{data}\n```\n")
    return "".join(parts)


def _sections(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    found: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        kind = OAuthSettings if name == "oauth" else field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append((name, kind))
    return found


def _walk(model: type[BaseModel], before: str, env: str) -> list[tuple[str, str, Any]]:
    inner = dict(_sections(model))
    found: list[tuple[str, str, Any]] = []
    for name, field in model.model_fields.items():
        if name in inner:
            found += _walk(inner[name], f"{before}{name}.", f"{env}{name.upper()}__")
        else:
            default = "(must be given)" if field.is_required() else field.default
            variable = "" if name == "api_key_callback" else env + name.upper()
            found.append((before + name, variable, default))
    return found


def _row(name: str, env: str, default: Any) -> str:
    shown = default if isinstance(default, str) else "" if default is None else json.dumps(default)
    return f"| `{name}` | {f'`{env}`' if env else ''} | {shown} |"


def _text(model: type[BaseModel]) -> str:
    lines = (model.__doc__ or "").splitlines()
    return "\n".join(line.strip() for line in lines).strip()
