"""All that an exception shows: to a reader, to a pickle, and to a tracker that keeps local variables."""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import sysconfig
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["probe", "shown"]

_PART = 4096
_MOST = 32_768
_DEEP = 6
_LOCAL = 1000
_LIBRARIES = ("site-packages", "dist-packages")
_STANDARD = sysconfig.get_path("stdlib")
_OURS = str(Path(__file__).parent)
_PLAIN = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, type(None),
          type, types.FunctionType, types.BuiltinFunctionType, functools.partial)
_DULL = (types.ModuleType, types.FunctionType, types.MethodType, type, int, float, type(None))
_PROBE = "galeproof-probe-7f3a"


def shown(error: BaseException) -> dict[str, str]:
    """Return what an exception shows, as text.

    Returns:
        ``dump``: str, repr, args and notes of the whole chain, and the formatted traceback;
        ``pickle``: its pickle, objects that are no plain data in it by their repr (what masks
        itself there is masked); ``locals``: the variables of libraries' frames.
    """
    chain = list(_chain(error))
    parts = [text for link in chain for text in _texts(link)]
    parts += ["".join(traceback.format_exception(error))[-2 * _PART :]]
    return {"dump": "\n".join(parts)[:_MOST], "pickle": _pickled(error)[: 2 * _PART],
            "locals": "\n".join(_locals(chain))[:_MOST]}


def probe() -> dict[str, Any]:
    """Plant a probe in a cause, in args, in a note and in a plain attribute, and look for each."""
    inner = ValueError(_PROBE + "-cause")
    error = RuntimeError({"args": _PROBE + "-args"})
    error.add_note(_PROBE + "-note")
    error.token = _PROBE + "-state"  # type: ignore[attr-defined]
    try:
        raise error from inner
    except RuntimeError as caught:
        told = shown(caught)
    found = all(_PROBE + end in told["dump"] for end in ("-cause", "-args", "-note"))
    return {"channel": "exception", "found": found and _PROBE + "-state" in told["pickle"]}


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen and len(seen) < _DEEP:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def _texts(error: BaseException) -> list[str]:
    try:
        return [text[:_PART] for text in (str(error), repr(error), repr(error.args),
                                          repr(getattr(error, "__notes__", "")))]
    except Exception as broken:  # a str or repr of the subject's that raises
        return [repr(type(broken))]


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        if isinstance(value, BaseException) or type(value) in _PLAIN:
            return None
        return repr(value)[:_PART]


def _pickled(error: BaseException) -> str:
    out = io.BytesIO()
    with contextlib.suppress(Exception):  # what cannot be pickled goes nowhere
        _Pickler(out, protocol=4).dump(error)
    return out.getvalue().decode("latin-1")


def _locals(chain: list[BaseException]) -> Iterator[str]:
    seen: set[int] = set()
    for error in chain:
        at = error.__traceback__
        while at is not None:
            frame, at = at.tb_frame, at.tb_next
            if id(frame) in seen or not _of_library(frame.f_code.co_filename):
                continue
            seen.add(id(frame))
            for name, value in frame.f_locals.items():
                if id(value) in seen or isinstance(value, _DULL):
                    continue
                seen.add(id(value))
                with contextlib.suppress(Exception):  # a repr that raises shows nothing
                    yield f"{name}={value!r}"[:_LOCAL]


@functools.lru_cache(maxsize=1024)
def _of_library(path: str) -> bool:
    if path.startswith(_OURS):
        return False
    return path.startswith(_STANDARD) or any(name in Path(path).parts for name in _LIBRARIES)
