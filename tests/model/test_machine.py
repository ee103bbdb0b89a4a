"""The model, played at random; and the same without one guard, which must be noticed."""

import asyncio
import re
from collections.abc import Iterator
from types import ModuleType

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from db import checkpoints, control, jobs, leases, workers
from settings import Settings
from tests.model.machine import Machine

PLAY = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
HUNT = settings(PLAY, max_examples=150, phases=[Phase.generate], report_multiple_bugs=False)

# What stands between two who both believe that it is theirs to do. Parameters have a type, for when they are all that
# is left of a guard.
GUARDS: dict[tuple[ModuleType, str], list[str]] = {
    (jobs, "CLAIM"): [
        "id = $3", "j.attempt = m.attempt", "j.state = 'queued'", "j.run_at <= now()",
        "(j.expires_at is null or j.expires_at > now() or j.started_at is not null)",
    ],
    (jobs, "CLAIMED"): ["j.attempt = m.attempt + 1", "j.state = 'running'", "j.worker = $3"],
    (jobs, "SUCCEED"): ["j.attempt = r.attempt", "j.state = 'running'", "j.worker = $4"],
    (jobs, "SUCCEED_WITH_WORK"): ["attempt = $2", "state = 'running'", "worker = $3"],
    (jobs, "SUCCEEDED_WITH_WORK"): ["attempt = $2", "worker = $3"],
    (jobs, "STORE_RESULT"): ["attempt = $2", "state = 'succeeded'", "worker = $3"],
    (jobs, "FAIL"): ["j.attempt = f.attempt", "j.state = 'running'", "j.worker = $7"],
    (jobs, "CANCEL_RUNNING"): ["j.attempt = c.attempt", "j.state = 'running'", "j.worker = $4"],
    (jobs, "RELEASE"): ["j.attempt = r.attempt", "j.state = 'running'", "j.worker = $4"],
    (jobs, "CONTROLLED"): ["worker = $1"],
    (checkpoints, "SAVE"): ["j.attempt = c.attempt", "j.state = 'running'", "j.worker = $4"],
    (checkpoints, "KEEP_ITEMS"): ["j.attempt = i.attempt", "j.state = 'running'", "j.worker = $4"],
    (checkpoints, "HOLD"): ["attempt = $2", "state = 'running'", "worker = $3"],
    (jobs, "PUT_OFF"): ["j.attempt = p.attempt", "j.state = 'queued'"],
    (jobs, "QUEUE_AGAIN"): ["state in ('failed', 'cancelled')"],
    (control, "CANCEL"): ["outcome is null"],
    (control, "PAUSE"): ["state in ('waiting', 'queued', 'running')"],
    (control, "RUN_NOW"): ["run_at > now()"],
    (jobs, "UNDISPATCH"): ["j.attempt = u.attempt", "j.state = 'queued'", "j.dispatched_at is not null"],
    (jobs, "DISPATCH"): ["run_at <= now()", "state = 'queued'", "dispatched_at is null"],
    (jobs, "EXPIRE"): ["expires_at <= now()", "started_at is null"],
    (workers, "HEARTBEAT"): ["id = any($1::uuid[])"],
    (workers, "BURY"): [
        "heartbeat_at < now() - make_interval(secs => $1)", "holder = $2", "term = $3", "expires_at > now()"
    ],
    (workers, "RESCUE"): ["worker = any($1::uuid[])"],
    (leases, "ACQUIRE"): ["l.expires_at <= now()"],
    (leases, "RENEW"): ["holder = $2", "term = $3", "expires_at > now()"],
    (leases, "RESIGN"): ["holder = $2", "term = $3"],
}  # fmt: skip
TYPES = {
    "attempt": "integer",
    "term": "bigint",
    "heartbeat_at": "float8",
    "blocked_by": "text",
}  # of parameters; the others are ids


@pytest.fixture
def machine(migrated: None) -> Iterator[type[Machine]]:
    """The model on a connection and a loop of its own: Hypothesis plays outside of the tests' loop."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(str(Settings().database_url), timeout=10))
        runner.run(connection.execute("set synchronous_commit = off"))
        Machine.runner, Machine.connection = runner, connection
        yield Machine
        runner.run(connection.close())


def test_the_rows_are_always_as_foretold(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=PLAY)


def removed(guard: str) -> str:
    """True in its place; a parameter that it names is still to be sent."""
    named = re.search(r"\$\d(::\w+\[\])?", guard)
    if named is None:
        return "true"
    column = guard.split()[0].removeprefix("j.")
    typed = named[0] if "::" in named[0] else f"{named[0]}::{TYPES.get(column, 'uuid')}"
    return f"{typed} is not null"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("module", "name", "guard"),
    [(*statement, guard) for statement, guards in GUARDS.items() for guard in guards],
    ids=[f"{name} without {guard}" for (_, name), guards in GUARDS.items() for guard in guards],
)
def test_a_missing_guard_is_noticed(
    machine: type[Machine], monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, guard: str
) -> None:
    statement: str = getattr(module, name)
    assert re.search(rf"\b(where|and)\s+{re.escape(guard)}(?!\s*[+-])", statement), "name the guard as it is written"
    mutant = re.sub(
        rf"(\b(?:where|and|on)\s+){re.escape(guard)}(?!\s*[+-])", lambda m: m[1] + removed(guard), statement
    )
    monkeypatch.setattr(module, name, mutant)
    with pytest.raises((AssertionError, asyncpg.IntegrityConstraintViolationError)):
        run_state_machine_as_test(machine, settings=HUNT)
