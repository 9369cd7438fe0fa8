"""OAU: tokens, and the rotation of secrets."""

__all__: list[str] = []
