"""The forward proxy of a subject whose URL is fixed, for as long as a run needs it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from galeproof.runner.subjects import Subject
from galeproof.tap.forward import ForwardProxy

__all__ = ["forwarding"]


@contextlib.asynccontextmanager
async def forwarding(subject: Subject, tap_port: Callable[[], int]) -> AsyncIterator[ForwardProxy | None]:
    """Open a proxy for the subject's hosts; None where it has none. Nothing of it is left.

    Args:
        subject: The client.
        tap_port: Tells where the tap listens now.
    """
    if not subject.hosts:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="galeproof-") as folder:
        proxy = ForwardProxy(subject.hosts, tap_port)
        await proxy.listen(Path(folder))
        try:
            yield proxy
        finally:
            proxy.close()
