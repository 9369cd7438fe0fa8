"""The ledger: which effects a provider has applied, with deduplication by key."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from galeproof.kernel.chance import ALPHABET

__all__ = ["Ledger"]


@dataclass(slots=True)
class Ledger:
    """Effects of one run. With ``deduplicate`` a key that was seen replays its first effect."""

    rng: random.Random
    deduplicate: bool = True
    effects: list[str] = field(default_factory=list)
    _by_key: dict[str, str] = field(default_factory=dict)

    def apply(self, key: str | None) -> tuple[str, bool]:
        """Apply one effect.

        Args:
            key: The request's idempotency key, or None.

        Returns:
            The effect's id, and whether it is a replay of an earlier one.
        """
        if key and self.deduplicate and key in self._by_key:
            return self._by_key[key], True
        effect = "ef" + "".join(self.rng.choices(ALPHABET, k=14))
        self.effects.append(effect)
        if key:
            self._by_key.setdefault(key, effect)
        return effect, False
