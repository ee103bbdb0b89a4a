"""No guard can be taken out of a statement unnoticed, and none is missing from the list of them."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from types import ModuleType

import asyncpg
import pytest
import pytest_asyncio

from db import (
    checkpoints,
    control,
    jobs,
    leases,
    limits,
    logs,
    pauses,
    progress,
    schedules,
    workers,
    workflow_jobs,
    workflow_steps,
    workflows,
)
from settings import Settings
from tests.guards import of_control, of_jobs, of_limits, of_schedules, of_workers, of_workflows
from tests.guards.frame import Case, conditions, has_acted, without
from tests.support.databases import clean
from tests.support.process import ROOT

FILES = (of_jobs, of_control, of_limits, of_workers, of_workflows, of_schedules)
CASES = [case for file in FILES for case in file.CASES]
MODULES = (
    jobs, control, pauses, checkpoints, progress, logs, leases, workers, limits, workflows, workflow_steps,
    workflow_jobs, schedules,
)  # fmt: skip


@pytest_asyncio.fixture(scope="module")
async def connection(migrated: None) -> AsyncIterator[asyncpg.Connection]:
    settings = Settings()
    await clean(settings.postgres, settings.redis)
    connection = await asyncpg.connect(str(settings.database_url), timeout=10)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("case", "guard"),
    [(case, guard) for case in CASES for guard in case.guards],
    ids=[f"{case.name} without {guard}" for case in CASES for guard in case.guards],
)
async def test_a_missing_guard_is_noticed(connection: asyncpg.Connection, case: Case, guard: str) -> None:
    """Given a scene, then the statement acts; given the change that only this guard refuses, then it does not; without
    the guard, it does."""
    mutant = await without(connection, case.statement, guard)
    change = case.guards[guard]
    assert await has_acted(connection, case, "", case.statement) == case.acts, "the scene"
    assert await has_acted(connection, case, change, case.statement) != case.acts, "the guard"
    assert await has_acted(connection, case, change, mutant) == case.acts, "without the guard"


# Which rows a statement is about: what it is told, and what belongs together.
_WHICH = re.compile(
    r"(\w+\.)?(id|job_id|key|name|run|to_id|from_id|step_id|workflow_id|schedule_id) [=<>]+ "
    r"(any\()?[\w.$]+(::\w+\[\])?\)?"
    r"|(\w+\.)?(id|key|job_id) (=|in) (any)?\(.*"
    r"|j.blocked_by = 'limit:' \|\| r.key|d.(attempt|line) = old.(attempt|line)"
)
# Conditions that are no guards, or that others of the same statement imply.
_SPARED = {
    # The index is over such rows only.
    ("CONTROLLED", "outcome is null"), ("DISPATCH", "outcome is null"), ("EXPIRE", "outcome is null"),
    ("DEBOUNCE", "outcome is null"), ("CANCEL_JOBS", "outcome is null"), ("WANT_JOBS_CANCELLED", "outcome is null"),
    ("PAUSE_JOBS", "outcome is null"), ("RESUME_JOBS", "outcome is null"), ("INSERT", "idempotency_key is not null"),
    # What the caller asked for.
    ("RETRY", "$2::bool"), ("PAUSE", "e.until > now()"),
    # Saves a write that would change nothing.
    ("GRANT", "(o.is_waiting or l.due_at is not null)"),
    # A job that comes is changed by one of two parts, whichever is first: PostgreSQL changes a row once in a statement.
    # It is the right one today, but no order is promised.
    ("GRANT", "not r.has_come"), ("GRANT", "not r.wins"),
}  # fmt: skip
# What keeps the catalogue of actors; no transition.
_OTHERS = {"REGISTER_FUNCTIONS", "MISS_FUNCTIONS", "REGISTER_PERIODIC", "UNREGISTER_PERIODIC", "REGISTER_TYPES"}


def test_every_guard_is_listed() -> None:
    """Given every statement that changes something, then each of its conditions says which rows are meant, or is one
    that a case cuts out, or is there for an index."""
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for case in CASES:
        listed[case.statement] += case.guards
    missing = [
        (name, condition)
        for module in MODULES
        for name, statement in changes(module).items()
        for condition in conditions(statement)
        if not _WHICH.fullmatch(condition) and (name, condition) not in _SPARED
        and not any(guard in condition or condition in guard
                    for part, guards in listed.items() if part in statement for guard in guards)
    ]  # fmt: skip
    assert missing == []


def test_the_page_says_how_many_there_are() -> None:
    guards = sum(len(case.guards) for case in CASES)
    assert f"{guards} guards, and every missing one is noticed" in (ROOT / "docs/reliability.md").read_text()


def changes(module: ModuleType) -> dict[str, str]:
    """The module's statements that change something."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and name[0] != "_" and name not in _OTHERS and isinstance(value, str)
        and re.search(r"\b(update|delete from|insert into)\b", value)
    }  # fmt: skip
