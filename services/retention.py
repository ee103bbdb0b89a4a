"""How long what is kept, what that costs now, and who deletes it. Estimates: no table is read (db/catalogue.py)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from actors.email_upkeep import ALERTS
from actors.health import KEEP as HEALTH_CHECKS
from db import catalogue, metrics
from db.jobs import Outcome
from db.statistics import DAY, HOUR, KEEP, MINUTE
from services import about, listing
from services.submissions import KEPT as IDEMPOTENCY_KEYS
from settings import Settings

SCHEDULER = "scheduler"  # deletes all the time, for as long as one leads

_JOBS = (
    "jobs", "job_attempts", "job_checkpoints", "job_logs", "job_metadata", "job_progress", "job_steps",
)  # fmt: skip
_WORKFLOWS = ("workflows", "workflow_steps", "workflow_edges", "workflow_items", "workflow_events")
_EMAILS = ("emails", "email_events")
_WEBHOOKS = ("webhook_deliveries", "webhook_messages", "webhook_attempts")
_LOST_MAILS = ("failed", "rejected", "bounced")
_UNDELIVERED = ("exhausted", "gone", "aborted", "skipped")


@dataclass(frozen=True)
class Rule:
    """`tables`: the first has a row for each thing that is kept, the others go along with it. `values`: only what ended
    so; `but_not`: all that did not."""

    what: str
    days: float | None  # None: for ever
    tables: tuple[str, ...]
    by: str  # the actor that deletes it, SCHEDULER, or nobody
    setting: str = ""  # of none: it is fixed
    values: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    search: str = ""  # what lists them among the jobs


@dataclass(frozen=True)
class Kept:
    """A rule and what it costs. Rows and bytes are None where PostgreSQL has no figures yet: nobody analyzed."""

    rule: Rule
    rows: int | None
    bytes: int | None
    is_exact: bool = False  # the rows were counted


@dataclass(frozen=True)
class Run:
    """The latest run of what deletes."""

    id: uuid.UUID
    outcome: str
    finished_at: datetime


@dataclass(frozen=True)
class Retention:
    kept: list[Kept]
    runs: dict[str, Run] = field(default_factory=dict)  # by actor
    scheduler_leads: bool = False


def rules(settings: Settings) -> list[Rule]:
    """In the order in which people want to see them."""
    return [
        *(
            Rule(f"Jobs that {said}", days, _JOBS, "cleanup_completed_jobs", f"RETENTION_{outcome.name}_DAYS",
                 values=(str(int(outcome)),), search=f"state:{outcome.name.lower()}")
            for outcome, said, days in (
                (Outcome.SUCCEEDED, "succeeded", settings.retention_succeeded_days),
                (Outcome.FAILED, "failed", settings.retention_failed_days),
                (Outcome.CANCELLED, "were cancelled", settings.retention_cancelled_days),
            )
        ),
        Rule("Workflows that succeeded", settings.retention_succeeded_days, _WORKFLOWS, "cleanup_completed_jobs",
             "RETENTION_SUCCEEDED_DAYS", values=("succeeded",)),
        Rule("Workflows that failed", settings.retention_failed_days, _WORKFLOWS, "cleanup_completed_jobs",
             "RETENTION_FAILED_DAYS", values=("failed",)),
        Rule("Workflows cancelled or undone", settings.retention_cancelled_days, _WORKFLOWS,
             "cleanup_completed_jobs", "RETENTION_CANCELLED_DAYS", values=("cancelled", "compensated")),
        Rule("History of schedules", settings.retention_executions_days, ("scheduled_job_executions",), SCHEDULER,
             "RETENTION_EXECUTIONS_DAYS"),
        Rule("E-mails and their events", settings.email_retention_days, _EMAILS, "cleanup_emails",
             "EMAIL_RETENTION_DAYS", but_not=_LOST_MAILS),
        Rule("E-mails that did not arrive", settings.email_retention_failed_days, _EMAILS, "cleanup_emails",
             "EMAIL_RETENTION_FAILED_DAYS", values=_LOST_MAILS),
        Rule("Words of e-mails", settings.email_content_days, (), "cleanup_emails",
             "EMAIL_CONTENT_DAYS"),
        Rule("Webhooks and their attempts", settings.webhook_retention_days, _WEBHOOKS, "tidy_webhooks",
             "WEBHOOK_RETENTION_DAYS", but_not=_UNDELIVERED),
        Rule("Webhooks that did not get through", settings.webhook_retention_failed_days, _WEBHOOKS, "tidy_webhooks",
             "WEBHOOK_RETENTION_FAILED_DAYS", values=_UNDELIVERED),
        Rule(f"Statistics (minutes: {KEEP[MINUTE] / DAY:g} days, hours: {KEEP[HOUR] / DAY:g})", KEEP[DAY] / DAY,
             ("job_statistics",), SCHEDULER),
        Rule("Groups of errors nobody has seen since", KEEP[HOUR] / DAY, ("error_groups", "error_statistics"),
             SCHEDULER),
        Rule("Health checks", HEALTH_CHECKS / DAY, ("health_checks",), "health_check"),
        Rule("Alerts", ALERTS / DAY, ("alerts",), "cleanup_emails"),
        Rule("Idempotency keys of the API", IDEMPOTENCY_KEYS / DAY, ("idempotency_keys",), ""),
        Rule("Audit", None, ("audit",), ""),
    ]  # fmt: skip


async def retention(session: AsyncSession, settings: Settings) -> Retention:
    connection = await session.connection()
    tables = {table.name: table for table in await about.tables(session)}
    shares: dict[str, dict[str, float]] = {}
    for row in await connection.exec_driver_sql(catalogue.SHARES):
        shares.setdefault(row.name, {})[row.value] = row.share
    counted = await _counted(session)
    found = rules(settings)
    actors = sorted({rule.by for rule in found} - {SCHEDULER, ""})
    runs = await connection.exec_driver_sql(catalogue.LAST_RUNS, (actors,))
    leader = (await connection.exec_driver_sql(metrics.LEADER)).first()
    return Retention(
        [_kept(rule, tables, shares, counted) for rule in found],
        {row.actor: Run(row.id, Outcome(row.outcome).name.lower(), row.finished_at) for row in runs},
        bool(leader and leader.leads),
    )


async def _counted(session: AsyncSession) -> dict[str, int]:
    """Jobs by what asks for them, of which there are few enough to be counted."""
    counts = await listing.counts(session)
    numbers = {f"state:{name}": getattr(counts, name) for name in ("succeeded", "failed", "cancelled")}
    return {search: number for search, number in numbers.items() if number < listing.CAP}


def _kept(
    rule: Rule, tables: Mapping[str, about.Table], shares: Mapping[str, Mapping[str, float]], counted: Mapping[str, int]
) -> Kept:
    family = [tables[name] for name in rule.tables if name in tables]
    if not family:
        return Kept(rule, None, None)
    share = _share(rule, shares.get(family[0].name))
    exact = counted.get(rule.search)
    if exact is not None:
        share = min(1.0, exact / max(family[0].rows, exact, 1))
    if share is None:
        return Kept(rule, None, None)
    rows = round(family[0].rows * share) if exact is None else exact
    return Kept(rule, rows, round(sum(table.bytes for table in family) * share), is_exact=exact is not None)


def _share(rule: Rule, shares: Mapping[str, float] | None) -> float | None:
    """Of the rows of its first table; None where nobody knows."""
    if not rule.values and not rule.but_not:
        return 1.0
    if shares is None:
        return None
    named: Sequence[str] = rule.values or rule.but_not
    part = min(1.0, sum(shares.get(value, 0.0) for value in named))
    return part if rule.values else 1.0 - part
