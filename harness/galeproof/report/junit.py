"""JUnit XML: one test case an invariant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from galeproof.report.plain import one_line, plain

__all__ = ["junit_text"]


def junit_text(document: Mapping[str, Any], began: str, expected: frozenset[str]) -> str:
    """Return the XML.

    A FAIL is a failure; an UNKNOWN that was expected to be decided is an error, another is skipped.

    Args:
        document: The published JSON form of a run.
        began: When it was, ``2026-11-25T12:00:00``.
        expected: The codes that must not end UNKNOWN.
    """
    rows = document["verdicts"]
    undecided = {v["code"] for v in rows if v["verdict"] == "UNKNOWN" and v["code"] in expected
                 and v["reason"] != "undeclared"}
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root, "testsuite", id="0", package="galeproof", name=_attribute(document["subject"]),
        hostname="localhost", timestamp=began, time="0", tests=str(len(rows)),
        failures=str(sum(v["verdict"] == "FAIL" for v in rows)), errors=str(len(undecided)))
    properties = ET.SubElement(suite, "properties")
    for name in ("engine", "seed", "run", "version", "exit"):
        ET.SubElement(properties, "property", name=f"galeproof.{name}",
                      value=_attribute(document[name]))
    for row in rows:
        _case(suite, row, row["code"] in undecided)
    ET.SubElement(suite, "system-out").text = ""
    ET.SubElement(suite, "system-err").text = plain(str(document.get("invalid") or
                                                        document.get("fault") or ""))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _attribute(value: Any) -> str:
    return one_line(str(value))


def _case(suite: ET.Element, row: Mapping[str, Any], undecided: bool) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"galeproof.{row['code'][:3]}",
                         name=_attribute(f"{row['code']} {row['name']}"), time="0")
    if row["verdict"] == "FAIL":
        text = "\n".join(f"{one_line(str(found['operation']))}: {plain(str(found['text']))}\n  mend: "
                         f"{plain(str(found['mend']))}\n  replay: {plain(found['replay'])}"
                         for found in row["findings"])
        message = row["findings"][0]["text"] if row["findings"] else row["note"]
        ET.SubElement(case, "failure", type=row["severity"], message=_attribute(message)).text = text
    elif undecided:
        ET.SubElement(case, "error", type=row["reason"], message=_attribute(row["note"] or row["reason"]))
    elif row["verdict"] == "UNKNOWN":
        ET.SubElement(case, "skipped", message=_attribute(f"{row['reason']}: {row['note']}"))
