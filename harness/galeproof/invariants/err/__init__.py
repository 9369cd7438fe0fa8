"""ERR: errors that tell what happened, and answers that are not what was promised."""

__all__: list[str] = []
