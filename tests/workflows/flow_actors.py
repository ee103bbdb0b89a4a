"""Actors of workflows' tests. Each notes that it began, with what; what happened is in `stage.effects`, once each."""

import asyncio
from typing import Any

import dramatiq
from sqlalchemy import text

import actors
from runtime import current_job
from services import workflows

broker = actors.broker


class Wrong(Exception):
    """What these actors raise on purpose."""


async def effect(note: str) -> None:
    job = current_job()
    async with job.database.session() as session:
        await session.execute(
            text("insert into stage.effects (job, attempt, note) values (:job, :attempt, :note)"),
            {"job": job.id, "attempt": job.attempt, "note": note},
        )
        await session.commit()


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_value(value: Any) -> Any:
    return value


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_add(given: Any, more: int = 1) -> Any:
    return given + more


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_start_another() -> str:
    """Returns the id of the workflow that it has started."""
    async with current_job().database.session() as session:
        started = await workflows.start(session, workflows.s(flow_value, 1))
        await session.commit()
    return str(started.id)


@dramatiq.actor(queue_name="flow", max_retries=0)
def flow_add_sync(given: int, more: int = 1) -> int:
    return given + more


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_collect(given: Any, *more: Any) -> Any:
    """What it was given; an effect for each run."""
    await effect(f"collect {given!r}")
    return [given, *more] if more else given


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_fail(*given: Any) -> None:
    raise Wrong("it was to fail")


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_fail_unless(given: Any, key: str) -> Any:
    """Fails until a test says that it may not."""
    if not await current_job()._executor.redis.exists(f"stage:go:{key}"):
        raise Wrong(f"{key} is not there")
    return given


async def hold(key: str) -> None:
    redis = current_job()._executor.redis
    await redis.rpush("stage:notes", f"holds {key}")
    while not await redis.exists(f"stage:go:{key}"):
        await asyncio.sleep(0.02)


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_hold(given: Any, key: str) -> Any:
    """Goes on when a test says so."""
    await hold(key)
    return given


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_effect(note: str) -> str:
    await effect(note)
    return note


@dramatiq.actor(queue_name="flow", min_backoff=1, max_backoff=1)
async def flow_undo(given: Any, note: str) -> None:
    await effect(f"undo {note} {given!r}")


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_in_transaction(given: int, early: bool = False) -> int | None:
    """Ends in its own transaction, and says what it returns within, or after."""
    job = current_job()
    async with job.transaction() as session:
        await session.execute(
            text("insert into stage.effects (job, attempt, note) values (:job, 1, 'within')"), {"job": job.id}
        )
        if early:
            job.set_result(given + 1)
    return None if early else given + 1


@dramatiq.actor(queue_name="flow", max_retries=0, concurrency=1)
async def flow_limited(value: int) -> int:
    """One at a time."""
    return value


@dramatiq.actor(queue_name="flow", max_retries=0, concurrency=1)
async def flow_hold_limited(value: int, key: str) -> int:
    """One at a time, which goes on when a test says so."""
    await hold(key)
    return value


@dramatiq.actor(queue_name="flow", max_retries=0)
async def flow_large(size: int) -> str:
    return "x" * size


@dramatiq.actor(max_retries=20, min_backoff=50, max_backoff=100, queue_name="flow")
async def flow_flaky(value: int, times: int) -> int:
    """Fails so many times first."""
    if current_job().attempt <= times:
        raise Wrong("not yet")
    return value


@dramatiq.actor(queue_name="flow", throws=(Wrong,), min_backoff=1, max_backoff=1)
async def flow_node(*given: Any, fails: bool) -> int:
    """A node of a random graph; runs again when its worker was killed, and fails for good if it is to fail."""
    await asyncio.sleep(0.02)
    if fails:
        raise Wrong("it was to fail")
    return len(given)


@dramatiq.actor(queue_name="flow", throws=(Wrong,), min_backoff=1, max_backoff=1)
async def flow_item(item: int, *given: Any, fails: int) -> int:
    if item == fails:
        raise Wrong("it was to fail")
    return item


@dramatiq.actor(queue_name="flow", min_backoff=1, max_backoff=1)
async def flow_child(number: int) -> int:
    await asyncio.sleep(0.05)
    return number


@dramatiq.actor(queue_name="flow", min_backoff=1, max_backoff=1)
async def flow_body(results: list[int], name: str) -> None:
    """Its effect and its end are one commit."""
    job = current_job()
    async with job.transaction() as session:
        await session.execute(
            text("insert into stage.effects (job, attempt, note) values (:job, :attempt, :note)"),
            {"job": job.id, "attempt": job.attempt, "note": f"{name} {sum(results)}"},
        )
