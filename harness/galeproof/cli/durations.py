"""Durations from a file: a history, plain lines, JSON, JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from galeproof.errors import UsageError
from galeproof.model import load_history
from galeproof.model.durations import attempt_durations

__all__ = ["ALL", "read_durations"]

ALL = "all"
_VALUE = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+) *(ms|s|us)?")
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_COLUMNS = {f"duration{sep}{unit}": unit for sep, unit in (("", ""), ("_", "s"), ("_", "ms"), ("_", "us"))}
_ALLOWED = "a duration is a finite number of seconds above 0, or one with ms, s or us"
Found = dict[str, list[float]]


def read_durations(path: Path) -> tuple[Found, int]:
    """Read durations by endpoint.

    Args:
        path: a `history.jsonl`, or a file with one duration a line (`0.12`, `120ms`), a JSON list of
            durations or of `{"endpoint", "duration"}`, the same as JSON Lines, or CSV with the
            columns `endpoint` and `duration` (`duration_ms`, `duration_s`, `duration_us`).

    Returns:
        Durations in seconds by endpoint (`all` where none is named), and how many attempts of a
        history were left out because they met a fault.

    Raises:
        UsageError: names file and line, and what is allowed.
    """
    text = _text(path)
    if not text.strip():
        raise UsageError(f"{path}: empty; expected durations, or a history")
    first = text.lstrip()[0]
    if '"galeproof_history"' in text.partition("\n")[0]:
        found, left_out = attempt_durations(load_history(text, str(path)))
        if not found:
            raise UsageError(f"{path}: no attempt of it was answered without a fault ({left_out} left out)")
        return found, left_out
    if first == "[":
        pairs = _of_list(text, path)
    elif first == "{":
        pairs = _of_lines(text, path)
    else:
        pairs = _of_table(text, path)
    grouped: Found = {}
    for endpoint, seconds in pairs:
        grouped.setdefault(endpoint, []).append(seconds)
    if not grouped:
        raise UsageError(f"{path}: holds no duration")
    return grouped, 0


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: not UTF-8 text") from None


def _of_list(text: str, path: Path) -> Iterator[tuple[str, float]]:
    """Walk a JSON list item by item, so that a wrong one is named by its line."""
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while True:
        at = _past_space(text, at)
        if text[at : at + 1] == "]":
            break
        item, after = _decoded(decoder, text, at, path)
        yield _pair(item, path, text.count("\n", 0, at) + 1)
        at = _past_space(text, after)
        if text[at : at + 1] not in (",", "]"):
            raise UsageError(f"{path}, line {text.count(chr(10), 0, at) + 1}: not JSON: expected , or ]")
        at += text[at] == ","
    if text[at + 1 :].strip():
        line = text.count("\n", 0, _past_space(text, at + 1)) + 1
        raise UsageError(f"{path}, line {line}: something follows the list")


def _decoded(decoder: json.JSONDecoder, text: str, at: int, path: Path) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", text.count("\n", 0, at) + 1)
        raise UsageError(f"{path}, line {line}: not JSON") from None


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _of_lines(text: str, path: Path) -> Iterator[tuple[str, float]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{path}, line {number}: not JSON") from None
        yield _pair(item, path, number)


def _of_table(text: str, path: Path) -> Iterator[tuple[str, float]]:
    """Read plain lines, or CSV with or without a head."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    endpoint_at, value_at, unit = 0, -1, ""
    first = True
    try:
        for row in rows:
            number = rows.line_num
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if first and any(cell in _COLUMNS for cell in cells):
                value_at = next(n for n, cell in enumerate(cells) if cell in _COLUMNS)
                unit = _COLUMNS[cells[value_at]]
                endpoint_at = cells.index("endpoint") if "endpoint" in cells else value_at
                first = False
                continue
            if len(cells) > 2 and first:
                raise UsageError(f"{path}, line {number}: expected one duration, or endpoint,duration")
            first = False
            if len(cells) <= max(value_at, endpoint_at):
                raise UsageError(f"{path}, line {number}: too few columns")
            named = len(cells) > 1 and cells[endpoint_at] != cells[value_at]
            yield (cells[endpoint_at] or ALL if named else ALL), _seconds(cells[value_at], path, number, unit)
    except csv.Error as error:
        raise UsageError(f"{path}, line {rows.line_num}: not CSV ({error})") from None


def _pair(item: Any, path: Path, line: int) -> tuple[str, float]:
    if not isinstance(item, Mapping):
        return ALL, _seconds(item, path, line)
    keys = [key for key in item if key in _COLUMNS]
    endpoint = item.get("endpoint", ALL)
    if len(keys) != 1 or not isinstance(endpoint, str):
        raise UsageError(f'{path}, line {line}: expected {{"endpoint": text, "duration": ...}}')
    return endpoint, _seconds(item[keys[0]], path, line, _COLUMNS[keys[0]])


def _seconds(value: Any, path: Path, line: int, unit: str = "") -> float:
    """Return a duration in seconds."""
    text = value if isinstance(value, str) else repr(value) if type(value) in (int, float) else ""
    match = _VALUE.fullmatch(text.strip())
    if match and (match[2] is None or not unit):
        seconds = float(match[1]) * _UNITS[match[2] or unit or "s"]
        if 0 < seconds < math.inf:
            return seconds
    raise UsageError(f"{path}, line {line}: {str(value)[:40]!r} is no duration; {_ALLOWED}")
