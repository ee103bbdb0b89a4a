"""Errors as groups: what fails, how often, since when; and what people say of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import errors
from db.models import ErrorGroup, JobAttempt
from errors import BadArguments, NotFound
from services import audit
from services.masking import masking

Show = Literal["open", "muted", "resolved", "all"]

LONGEST_URL = 500  # characters of an issue's


@dataclass(frozen=True)
class Group:
    fingerprint: str
    error_type: str
    pattern: str
    first_seen_at: datetime
    last_seen_at: datetime
    total: int
    occurrences: int  # within the period
    actors: list[str]
    muted_at: datetime | None
    resolved_at: datetime | None
    issue_url: str | None
    state: str  # "new", "ongoing", "returned", "muted", "resolved"
    trend: list[float]  # occurrences by hour


LOOKED_AT = 500  # attempts whose workers are counted


@dataclass(frozen=True)
class OnWorker:
    """How often a worker has seen it, of the latest times; of one that has gone only the id is known."""

    id: UUID
    host: str | None
    pid: int | None
    version: str | None
    occurrences: int


@dataclass(frozen=True)
class Sample:
    """A group and where it was seen last."""

    group: ErrorGroup
    attempt: JobAttempt | None  # None where that job has been deleted
    trend: list[float]
    actors: list[tuple[str, int]]
    workers: list[OnWorker]
    latest: list[Any]


async def groups(
    session: AsyncSession,
    hours: int,
    *,
    actor: str | None = None,
    show: Show = "open",
    text: str | None = None,
    most: int = 100,
) -> list[Group]:
    """Those seen within the last hours, the most frequent first."""
    connection = await session.connection()
    rows = list(await connection.exec_driver_sql(errors.GROUPS, (float(hours), actor, show, text, most)))
    trends = await _trends(session, [row.fingerprint for row in rows], hours)
    return [Group(**row._asdict(), trend=trends[row.fingerprint]) for row in rows]


async def sample(session: AsyncSession, fingerprint: str, hours: int) -> Sample:
    """One group, with the attempt seen last. Raises NotFound."""
    group = await session.get(ErrorGroup, fingerprint)
    if group is None:
        raise NotFound("There is no such group of errors. It may not have been seen for so long that it was forgotten.")
    connection = await session.connection()
    trend = (await _trends(session, [fingerprint], hours))[fingerprint]
    actors = [tuple(row) for row in await connection.exec_driver_sql(errors.ACTORS, (fingerprint, float(hours)))]
    workers = await connection.exec_driver_sql(errors.WORKERS, (fingerprint, LOOKED_AT, 10))
    on_workers = [OnWorker(**row._asdict()) for row in workers]
    latest = list(await connection.exec_driver_sql(errors.LATEST, (fingerprint, 20)))
    attempt = await session.get(JobAttempt, (group.sample_job, group.sample_attempt))
    return Sample(group, attempt, trend, actors, on_workers, latest)


async def mute(session: AsyncSession, fingerprint: str, *, who: str, on: bool) -> None:
    """It is not shown among the open ones, or is again. Raises NotFound."""
    await _change(session, errors.MUTE, fingerprint, who, on)
    audit.note(session, who, "error.mute" if on else "error.unmute", target=fingerprint)


async def resolve(session: AsyncSession, fingerprint: str, *, who: str, on: bool) -> None:
    """It is done with; should it be seen again it has returned. Raises NotFound."""
    await _change(session, errors.RESOLVE, fingerprint, who, on)
    audit.note(session, who, "error.resolve" if on else "error.reopen", target=fingerprint)


async def link(session: AsyncSession, fingerprint: str, url: str, *, who: str) -> None:
    """People work on it there. Raises NotFound, or BadArguments where `url` is not the address of a page."""
    await _link(session, fingerprint, _checked_url(url), who)


async def unlink(session: AsyncSession, fingerprint: str, *, who: str) -> None:
    """It has no issue. Raises NotFound."""
    await _link(session, fingerprint, None, who)


async def _link(session: AsyncSession, fingerprint: str, url: str | None, who: str) -> None:
    connection = await session.connection()
    was = (await connection.exec_driver_sql(errors.LINK, (fingerprint, url, who))).first()
    if was is None:
        raise NotFound("There is no such group of errors.")
    details = {"before": was.before, "after": url}
    audit.note(session, who, "error.link" if url else "error.unlink", target=fingerprint, details=details)


def _checked_url(url: str) -> str:
    """Of a page that a browser opens; what it says is shown to everybody, so there is no secret in it."""
    if len(url) > LONGEST_URL:
        raise BadArguments(f"The URL has {len(url):,} characters; the limit is {LONGEST_URL}.", "url")
    try:
        parts = urlsplit(url)
        is_page = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:  # half of an IPv6 address, a port that is no number
        is_page = False
    # A space or a control character, and what some take for a slash, would lead elsewhere than it seems.
    if not is_page or " " in url or "\\" in url or not url.isprintable():
        raise BadArguments("Write the whole URL of the issue: https://issues.example.com/browse/JOB-7.", "url")
    if "@" in parts.netloc or masking().text(url) != url:
        raise BadArguments("The URL holds what looks like a secret, and everybody would see it. Leave that out.", "url")
    return url


async def _change(session: AsyncSession, statement: str, fingerprint: str, who: str, on: bool) -> None:
    connection = await session.connection()
    if (await connection.exec_driver_sql(statement, (fingerprint, who if on else None))).first() is None:
        raise NotFound("There is no such group of errors.")


async def _trends(session: AsyncSession, fingerprints: list[str], hours: int) -> dict[str, list[float]]:
    last = int(datetime.now(UTC).timestamp()) // 3600
    trends = {fingerprint: [0.0] * hours for fingerprint in fingerprints}
    connection = await session.connection()
    for row in await connection.exec_driver_sql(errors.TRENDS, (fingerprints, float(hours))):
        place = hours - 1 - (last - int(row.starts_at.timestamp()) // 3600)
        if 0 <= place < hours:
            trends[row.fingerprint][place] += row.occurrences
    return trends
