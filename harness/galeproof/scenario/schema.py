"""The published JSON Schema of scenario files."""

from __future__ import annotations

from typing import Any

from galeproof.faults.steps import BLOATS, DATE_FORMS, FRAMINGS, GARBAGE
from galeproof.scenario.lane import LANE_SCHEMA
from galeproof.scenario.quantity import QUANTITY_SCHEMA

__all__ = ["build_schema"]


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required,
            "properties": properties}


def build_schema() -> dict[str, Any]:
    """Return the schema as a dict."""
    drip = _object(["part", "every_s"], part={"enum": ["body", "headers", "interim", "each"]},
                   every_s=QUANTITY_SCHEMA)
    status = {"type": "integer", "minimum": 200, "maximum": 599}
    garbage = {"enum": list(GARBAGE)}
    answer = _object(
        [], status=status, headers={"type": "object"}, effect={"type": "boolean"}, drip=drip,
        headers_each={"type": "object"},
        delay_s=QUANTITY_SCHEMA, body={"type": "string"},
        garbage={"anyOf": [garbage, {"type": "array", "items": garbage}]},
        framing={"enum": [*FRAMINGS, "each"]}, bloat={"enum": list(BLOATS)},
        location={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        close={"type": "boolean"},
        statuses={"type": "array", "items": status}, endless={"type": "boolean"},
        date_skew_s={"type": "number"})
    retry_after = _object([], seconds=QUANTITY_SCHEMA, date_in_s=QUANTITY_SCHEMA,
                          otherwise={"type": "number"},
                          date_form={"enum": [*DATE_FORMS, "each"]})
    step = _object(
        ["attempts"], attempts={"type": ["integer", "string"]},
        answer={"anyOf": [{"const": "ok"}, status, answer]}, cut={"type": "string"},
        chance={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        operations={"type": ["integer", "string"]}, from_s={"type": "number", "minimum": 0},
        to_s={"type": "number", "exclusiveMinimum": 0}, origin={"enum": ["first", "other"]},
        lane=LANE_SCHEMA, retry_after={"anyOf": [QUANTITY_SCHEMA, retry_after]})
    group = _object(
        ["kind", "count"], kind={"enum": ["read", "write"]},
        count={"type": "integer", "minimum": 1}, concurrent={"type": "integer", "minimum": 1},
        stagger_s={"type": "number", "minimum": 0}, name={"type": "string"},
        takes={"enum": ["body", "key"]}, cancel_after_s=QUANTITY_SCHEMA,
        again={"enum": [True, False, "same"]}, beside={"type": "boolean"}, origin={"const": "other"},
        rotate={"type": "string"}, after_s=QUANTITY_SCHEMA)
    tokens = _object([], expired={"type": "boolean"}, refused={"type": "boolean"},
                     status={"enum": [400, 401, 403, 500, 503]}, delay_s={"type": "number"},
                     rotate={"type": "boolean"})
    expect = _object([], outcome={"enum": ["success", "failure", "any"]},
                     exercised={"type": "array", "items": {"type": "string"}})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "galeproof scenario",
            **_object(["name", "why", "operations"], name={"type": "string"},
                      why={"type": "string"}, operations={"type": "array", "items": group},
                      steps={"type": "array", "items": step}, expect=expect,
                      observe_s={"type": "number"}, linger_s=QUANTITY_SCHEMA, timezone={"type": "string"},
                      starts={"type": "integer", "minimum": 1, "maximum": 4},
                      together={"type": "boolean"}, effort={"enum": ["quick", "nightly"]},
                      quiet={"type": "boolean"}, tls={"type": "boolean"}, tokens=tokens)}
