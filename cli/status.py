"""`callboard status`: how everything stands, and what to do about what does not."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.output import AsJson, print_json
from cli.session import run
from cli.times import distance, span
from runtime.client import Client
from services import actors, health, overview, queues, schedules, statistics, workers
from services.about import About, about
from services.schedules.lists import LATE

_HOUR = timedelta(hours=1)
_FULL = 0.9  # of the workers' slots
_MANY = 0.1  # of what ended, that failed
_MOST = 20  # queues that are named
_DAY = 24  # hours
_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "bad": "[red]✗[/]"}
_LEVELS = list(_MARKS)

Level = Literal["ok", "warning", "bad"]
_BY_STATUS: dict[str, Level] = {"healthy": "ok", "warning": "warning", "critical": "bad"}


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about that."""

    what: str
    level: Level
    said: str
    advice: str = ""


def status(as_json: AsJson = False) -> None:
    """How everything stands: servers, scheduler, workers, queues, failures; what to do about what does not. Exit code 1
    if something stands still."""
    found = run(_look)
    worst = max((one.level for one in found), key=_LEVELS.index)
    if as_json:
        print_json({"status": worst, "findings": [one._asdict() for one in found]})
    else:
        table = Table.grid(padding=(0, 2))
        for one in found:
            advice = f"\n[bold]→ {escape(one.advice)}[/]" if one.advice else ""
            table.add_row(_MARKS[one.level], one.what, escape(one.said) + advice)
        Console().print(table)
    if worst == "bad":
        raise typer.Exit(1)


async def _look(client: Client) -> list[Finding]:
    servers = list(_servers(await about(client)))
    if any(one.what == "tables" and one.level == "bad" for one in servers):
        return servers  # nothing else can be known
    async with client.session() as session:
        return [
            *servers,
            await _scheduler(session),
            await _checked(session),
            await _workers(session),
            await _jobs(session),
            await _failures(session),
            *await _stopped(session),
        ]


def _servers(found: About) -> Iterator[Finding]:
    yield Finding("PostgreSQL", "ok", found.postgresql)
    if found.revision == found.wanted_revision:
        yield Finding("tables", "ok", f"at {found.revision}")
    elif found.is_newer:
        yield Finding("tables", "ok", f"at {found.revision}, of a later version than this one")
    else:
        needed = f"at {found.revision or 'nothing'}; this version needs {found.wanted_revision}"
        yield Finding("tables", "bad", needed, "callboard migrate")
    if found.redis is None:
        yield Finding("Redis", "bad", "does not answer: nothing is started", "start it, or correct REDIS_URL")
    else:
        yield Finding("Redis", "ok", found.redis)


async def _scheduler(session: AsyncSession) -> Finding:
    now = await schedules.status(session)
    if not now.running:
        said = "none leads: nothing is relayed, retried, rescued or started by a schedule"
        return Finding("scheduler", "bad", said, "python -m scheduling")
    said = f"leads in term {now.term}; {now.enabled:,} of {now.schedules:,} schedules are on"
    if now.lag > LATE.total_seconds():
        return Finding("scheduler", "warning", f"{said}; the one due longest is {span(now.lag)} late")
    if now.problems:
        return Finding("scheduler", "warning", f"{said}; {now.problems:,} cannot be run", "callboard schedules list")
    return Finding("scheduler", "ok", said)


async def _checked(session: AsyncSession) -> Finding:
    """The check of each minute has looked at more than we do."""
    check = await health.latest(session)
    if check is None:
        said = "nothing was looked at for ten minutes: actors with periodic= do not run"
        return Finding("health", "warning", said, "periodiq actors, and a worker of the queue maintenance")
    level = _BY_STATUS[check.status]
    return Finding("health", level, "; ".join(check.reasons) or f"nothing found, {distance(check.checked_at)}")


async def _workers(session: AsyncSession) -> Finding:
    living = await workers.living(session)
    if not living:
        return Finding("workers", "bad", "none lives: no job is run", "dramatiq actors")
    running, slots = sum(one.running for one in living), sum(one.slots for one in living)
    draining = sum(one.is_draining for one in living)
    said = f"{len(living):,} live, {running:,} of {slots:,} slots taken"
    said += f"; {draining:,} take no more jobs" if draining else ""
    if draining == len(living):
        return Finding("workers", "bad", said, "callboard workers resume ID")
    if running >= _FULL * slots:
        return Finding("workers", "warning", said, "more worker processes, if this lasts")
    return Finding("workers", "ok", said)


async def _jobs(session: AsyncSession) -> Finding:
    now = await overview.live(session)
    more = "+" if now.is_capped else ""
    said = f"{now.running:,} run, {now.waiting:,}{more} due, {now.scheduled:,}{more} due later, {now.held:,}{more} held"
    if now.oldest is not None:
        said += f"; the first of {now.oldest_queue} was due {distance(now.oldest)}"
    return Finding("jobs", "ok", said)


async def _failures(session: AsyncSession) -> Finding:
    points = await statistics.throughput(session, _HOUR)
    failed = sum(point.failed for point in points)
    ended = sum(point.succeeded + point.failed + point.cancelled for point in points)
    said = f"{failed:,} of {ended:,} jobs that ended within an hour"
    if failed <= _MANY * ended:
        return Finding("failed", "ok", said)
    for one in await overview.troubles(session, hours=1, most=3):
        said += f"\n{one.occurrences:,} times {one.error_type}: {one.pattern[:80]}"
    return Finding("failed", "warning", said, "callboard dead list")


async def _stopped(session: AsyncSession) -> list[Finding]:
    """What somebody, or a lack of workers, keeps from running."""
    unserved = (await overview.alarm(session, most=_MOST)).unserved
    found = [
        Finding("queue", "bad", f"{one.queue}: {one.due:,} due, the first {distance(one.oldest)}, and no worker "
                "takes from it", f"dramatiq actors --queues {one.queue}")
        for one in unserved
    ]  # fmt: skip
    for kind, listed in (("queue", await queues.listed(session)), ("actor", await actors.listed(session))):
        found += [
            Finding(kind, "warning", f"{one.name} is paused by {one.paused_by}{_until(one.paused_until)}: {one.reason}",
                    f"callboard {kind}s resume {one.name}")
            for one in listed if one.is_paused
        ]  # fmt: skip
    if disabled := (await overview.attention(session, _DAY)).disabled:
        said = f"{disabled:,} were disabled within a day: nothing is delivered there"
        found.append(Finding("endpoints", "warning", said, "callboard webhooks endpoints list"))
    return found


def _until(moment: datetime | None) -> str:
    return f" and goes on {distance(moment)}" if moment else ""
