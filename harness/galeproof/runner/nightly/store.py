"""The nights' database: SQLite by default, PostgreSQL by URL (extra ``nightly``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from galeproof.errors import UsageError
from galeproof.model import Outcome, Verdict
from galeproof.runner.nightly.trend import Tally

try:
    import sqlalchemy as sa
except ImportError:  # told when a night is begun
    sa = None  # type: ignore[assignment]

__all__ = ["NightRow", "Store"]

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class NightRow:
    """One night: its number, when it began, the seed that its plan comes from, and what it tries."""

    id: int
    began: str
    seed: int
    subject: str
    engine: str
    scenarios: str
    ended: str | None


class Store:
    """Nights, cases (a scenario with a seed) and what they showed.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://...``; ``postgresql://`` is taken for the latter.

    Raises:
        UsageError: The extra is missing, or the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        if sa is None:
            raise UsageError("nightly needs SQLAlchemy: pip install 'galeproof[nightly]'")
        if url.startswith("postgresql://"):
            url = "postgresql+psycopg" + url[len("postgresql"):]
        meta = sa.MetaData()
        self._nights = sa.Table(
            "galeproof_nights", meta, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("began", sa.String(40), nullable=False), sa.Column("ended", sa.String(40)),
            sa.Column("seed", sa.BigInteger, nullable=False), sa.Column("engine", sa.String(80)),
            sa.Column("subject", sa.Text, nullable=False),
            sa.Column("scenarios", sa.Text, nullable=False))
        self._cases = sa.Table(
            "galeproof_cases", meta, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("night", sa.ForeignKey("galeproof_nights.id"), nullable=False),
            sa.Column("seed", sa.BigInteger, nullable=False),
            sa.Column("scenario", sa.Text, nullable=False),
            sa.Column("run", sa.Text), sa.UniqueConstraint("night", "seed", "scenario"))
        self._verdicts = sa.Table(
            "galeproof_verdicts", meta, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("case_id", sa.ForeignKey("galeproof_cases.id"), nullable=False),
            sa.Column("code", sa.String(10), nullable=False),
            sa.Column("outcome", sa.String(8), nullable=False),
            sa.Column("reason", sa.String(30)), sa.Column("timing", sa.Boolean, nullable=False),
            sa.Column("text", sa.Text))
        try:
            self._engine = sa.create_engine(url)
            meta.create_all(self._engine)
        except Exception as error:  # a driver's own errors have no common root
            first = str(error).splitlines()[0]
            raise UsageError(f"--database {_hidden(url)}: {type(error).__name__}: {first}") from None

    def begin(self, seed: int, subject: str, scenarios: Sequence[str]) -> NightRow:
        """Open a night."""
        with self._engine.begin() as link:
            made = link.execute(self._nights.insert().values(
                began=_now(), seed=seed, subject=subject, scenarios="\n".join(scenarios)))
            number = _key(made)
        return self._night(number)

    def unfinished(self, subject: str) -> NightRow | None:
        """Return the last night of a subject where it was not ended, else None."""
        query = sa.select(self._nights.c.id, self._nights.c.ended).where(
            self._nights.c.subject == subject).order_by(self._nights.c.id.desc()).limit(1)
        with self._engine.connect() as link:
            row = link.execute(query).first()
        return self._night(row.id) if row is not None and row.ended is None else None

    def _night(self, number: int) -> NightRow:
        with self._engine.connect() as link:
            row = link.execute(sa.select(self._nights).where(self._nights.c.id == number)).one()
        return NightRow(row.id, row.began, row.seed, row.subject, row.engine or "", row.scenarios, row.ended)

    def done(self, night: int) -> set[tuple[int, str]]:
        """Return the cases that a night has settled: ``(seed, scenario)``."""
        query = sa.select(self._cases.c.seed, self._cases.c.scenario).where(self._cases.c.night == night)
        with self._engine.connect() as link:
            return {(row.seed, row.scenario) for row in link.execute(query)}

    def settle(self, night: int, seed: int, scenario: str, verdicts: Sequence[Verdict],
               run: str | None) -> None:
        """Keep one case with its verdicts, at once and whole; one that is kept already stays."""
        try:
            with self._engine.begin() as link:
                made = link.execute(self._cases.insert().values(
                    night=night, seed=seed, scenario=scenario, run=run))
                rows = [_row(verdict, _key(made)) for verdict in verdicts
                        if verdict.outcome is not Outcome.UNKNOWN or verdict.reason != "not_exercised"]
                if rows:
                    link.execute(self._verdicts.insert(), rows)
        except sa.exc.IntegrityError:
            return

    def end(self, night: int, engine: str) -> None:
        """Close a night."""
        with self._engine.begin() as link:
            link.execute(self._nights.update().where(self._nights.c.id == night).values(
                ended=_now(), engine=engine))

    def tallies(self, subject: str, most: int = 14) -> list[list[Tally]]:
        """Return the tallies of a subject's last nights, oldest first."""
        query = sa.select(self._nights.c.id).where(self._nights.c.subject == subject).order_by(
            self._nights.c.id.desc()).limit(most)
        with self._engine.connect() as link:
            numbers = [row.id for row in link.execute(query)]
            return [self._tally(link, number) for number in reversed(numbers)]

    def _tally(self, link: Any, night: int) -> list[Tally]:
        query = sa.select(
            self._verdicts.c.code, self._cases.c.scenario, self._verdicts.c.outcome,
            sa.func.count().label("times")).join(
            self._cases, self._cases.c.id == self._verdicts.c.case_id).where(
            self._cases.c.night == night).group_by(
            self._verdicts.c.code, self._cases.c.scenario, self._verdicts.c.outcome)
        counted: dict[tuple[str, str], dict[str, int]] = {}
        for row in link.execute(query):
            counted.setdefault((row.code, row.scenario), {})[row.outcome] = row.times
        return [Tally(code, scenario, n.get("FAIL", 0), n.get("PASS", 0), n.get("UNKNOWN", 0))
                for (code, scenario), n in sorted(counted.items())]

    def findings(self, night: int) -> list[dict[str, Any]]:
        """Return what failed in a night: code, scenario, seed, run, text; in a fixed order."""
        columns = (self._verdicts.c.code, self._cases.c.scenario, self._cases.c.seed, self._cases.c.run,
                   self._verdicts.c.text, self._verdicts.c.timing)
        query = sa.select(*columns).join(
            self._cases, self._cases.c.id == self._verdicts.c.case_id).where(
            self._cases.c.night == night, self._verdicts.c.outcome == "FAIL").order_by(
            self._verdicts.c.code, self._cases.c.scenario, self._cases.c.seed)
        with self._engine.connect() as link:
            return [dict(row._mapping) for row in link.execute(query)]

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _row(verdict: Verdict, case: int) -> dict[str, Any]:
    text = verdict.findings[0].text if verdict.findings else verdict.note
    return {"case_id": case, "code": verdict.code, "outcome": verdict.outcome.value,
            "reason": verdict.reason, "timing": verdict.timing,
            "text": _storable(text)[:_LONGEST]}


def _storable(text: str) -> str:
    """PostgreSQL's text holds no NUL, and UTF-8 no half of a surrogate pair."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def _key(made: Any) -> int:
    return int(made.inserted_primary_key[0])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _hidden(url: str) -> str:
    """A URL without its password."""
    head, at, tail = url.rpartition("@")
    return f"{head.rpartition(':')[0]}:***@{tail}" if at and ":" in head.partition("://")[2] else url
