"""Workflows to start as they are, or to begin one's own from. Each function gives a flow:

    await services.workflows.start(session, profiling("orders"))

What flows are made of: runtime/flow.py; what is promised: docs/workflows.md.
"""

from collections import Counter
from typing import Any

import dramatiq
from sqlalchemy import Column, MetaData, Table, func, select, text
from sqlalchemy.types import NullType

from errors import BadArguments
from runtime import current_job
from runtime.flow import Flow, chain, chord, each, group, s, si

QUEUE = "workflows"

ORDER = (
    ("check the customer", None),
    ("check the address", None),
    ("reserve the stock", "release the stock"),
    ("reserve the packaging", "release the packaging"),
    ("authorise the payment", "void the authorisation"),
    ("check for fraud", None),
    ("book the carrier", "cancel the carrier"),
    ("print the label", "destroy the label"),
    ("charge the payment", "refund the payment"),
    ("pack", "unpack"),
    ("hand over to the carrier", None),
    ("write to the customer", None),
)


class OrderRefused(Exception):
    """A step of an order cannot be done, and trying again would not help."""


def profiling(table: str) -> Flow:
    """Profile a table: find rules that its columns suggest, count who breaks them, all rules side by side, report."""
    return chain(si(generate_rules, table), each(execute_rule, None, table, max_parallel=4), s(report_rules, table))


def parallel_processing(texts: list[str]) -> Flow:
    """Work on many items at once, then put the results together: here, count their words."""
    return chord(group(*(si(count_words, one) for one in texts)), s(add_counts))


def order(number: str, refused_at: str | None = None) -> Flow:
    """Take an order through its twelve steps. Where one is refused, those before it are undone, the last first.

    `refused_at` names a step that is to be refused: to watch that.
    """
    steps = []
    for action, undo in ORDER:
        step = si(order_step, number, action, refused=action == refused_at).named(action).failing("compensate")
        steps.append(step if undo is None else step.undone_by(s(undo_order_step, number, undo).named(undo)))
    return chain(*steps)


@dramatiq.actor(queue_name=QUEUE, max_retries=3, throws=(BadArguments,))
async def generate_rules(table: str) -> list[dict[str, str]]:
    """A rule for each column: it is never null; and, if it looks like a key, never twice the same."""
    async with current_job().database.session() as session:
        columns = (
            await session.execute(
                text(
                    "select column_name from information_schema.columns"
                    " where table_schema = current_schema() and table_name = :table order by ordinal_position"
                ),
                {"table": table},
            )
        ).scalars()
    rules = [{"column": column, "rule": "not null"} for column in columns]
    if not rules:
        raise BadArguments(f"There is no table {table!r} in this schema.", "table")
    return rules + [
        {"column": rule["column"], "rule": "unique"} for rule in rules if rule["column"].split("_")[-1] in ("id", "key")
    ]


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
async def execute_rule(rule: dict[str, str], table: str) -> dict[str, Any]:
    """How many rows there are, and how many break the rule."""
    column = Column(rule["column"], NullType)
    of = Table(table, MetaData(), column)
    keeps = func.count(column if rule["rule"] == "not null" else column.distinct())
    there = func.count() if rule["rule"] == "not null" else func.count(column)
    async with current_job().database.session() as session:
        rows, kept = (await session.execute(select(there, keeps).select_from(of))).one()
    return rule | {"rows": rows, "broken": rows - kept}


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
async def report_rules(results: list[dict[str, Any]], table: str) -> dict[str, Any]:
    """What the profile says, the worst first."""
    broken = sorted((one for one in results if one["broken"]), key=lambda one: -one["broken"])
    return {"table": table, "rules": len(results), "kept": len(results) - len(broken), "broken": broken}


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
async def count_words(words: str) -> dict[str, int]:
    """How often each word is there."""
    return dict(Counter(words.lower().split()))


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
async def add_counts(counts: list[dict[str, int]]) -> dict[str, int]:
    """All counts together, the most frequent word first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


@dramatiq.actor(queue_name=QUEUE, max_retries=3, throws=(OrderRefused,))
async def order_step(number: str, action: str, *, refused: bool = False) -> str:
    """Do one thing for an order, and return a reference to what was done. The job's id, the same over all attempts, is
    the idempotency key for whoever does it."""
    job = current_job()
    if refused:
        raise OrderRefused(f"order {number}: {action} is refused")
    job.log.info("did a step of an order", order=number, action=action)
    return f"{action} {job.id}"


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
async def undo_order_step(done: str, number: str, undo: str) -> str:
    """Undo it, given the reference."""
    current_job().log.info("undid a step of an order", order=number, undo=undo, done=done)
    return undo
