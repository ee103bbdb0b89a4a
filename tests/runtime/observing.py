"""What the tests see of the engine: rows, attempts, effects, and what lies in Redis."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from dramatiq import Actor, Message

from db.models import Job, JobAttempt
from runtime.cancelling import cancel_and_wait
from runtime.client import Client
from runtime.transport import Keys
from scheduling.loop import keep_running
from scheduling.relay import Relay
from services import jobs
from settings import Settings
from tests.support.waiting import wait_for

ENDED = ("succeeded", "failed", "cancelled")


async def enqueue(client: Client, actor: Actor[Any, Any], *args: Any, **kwargs: Any) -> uuid.UUID:
    return await enqueue_with(client, jobs.Options(), actor, *args, **kwargs)


async def enqueue_with(
    client: Client, options: jobs.Options, actor: Actor[Any, Any], *args: Any, **kwargs: Any
) -> uuid.UUID:
    async with client.session() as session:
        enqueued = await jobs.enqueue_with(session, options, actor, *args, **kwargs)
        await session.commit()
    return enqueued.id


async def enqueue_all(client: Client, calls: list[jobs.Call], **options: Any) -> list[uuid.UUID]:
    async with client.session() as session:
        ids = await jobs.enqueue_many(session, calls, jobs.Options(**options))
        await session.commit()
    return ids


async def fetch(client: Client, statement: str, *values: Any) -> list[asyncpg.Record]:
    async with client.database.connection() as connection:
        return list(await connection.fetch(statement, *values))


async def value(client: Client, statement: str, *values: Any) -> Any:
    async with client.database.connection() as connection:
        return await connection.fetchval(statement, *values)


async def row(client: Client, job_id: uuid.UUID) -> Job:
    async with client.session() as session:
        return await jobs.get(session, job_id)


async def ended(client: Client, job_id: uuid.UUID, timeout: float = 60) -> Job:
    """The job's row once it has ended."""
    return await reaches(client, job_id, *ENDED, timeout=timeout)


async def reaches(client: Client, job_id: uuid.UUID, *states: str, timeout: float = 60) -> Job:
    """The job's row once its state is one of these."""

    async def look() -> list[Job]:
        async with client.session() as session:
            job = await session.get(Job, job_id)
        return [job] if job is not None and job.state in states else []

    return (await wait_for(look, timeout, f"{job_id} to be {' or '.join(states)}"))[0]


async def all_ended(client: Client, number: int, timeout: float = 120) -> None:
    """Wait until so many jobs have ended, and none is left."""

    async def look() -> bool:
        counts = await fetch(client, "select count(outcome) as ended, count(*) as all from jobs")
        return bool(counts[0]["ended"] == counts[0]["all"] == number)

    await wait_for(look, timeout, f"the end of {number} jobs")


async def attempts(client: Client, job_id: uuid.UUID) -> list[JobAttempt]:
    async with client.session() as session:
        return await jobs.attempts(session, job_id)


async def effects(client: Client) -> list[str]:
    """What has been done, in order."""
    return [found["note"] for found in await fetch(client, "select note from stage.effects order by at, note")]


async def notes(client: Client) -> list[str]:
    """What has been tried, in order."""
    lines: list[Any] = await client.redis.lrange("stage:notes", 0, -1)
    return [line.decode() for line in lines]


async def noted(client: Client, line: str, times: int = 1, timeout: float = 60) -> None:
    """Wait until an actor has said so, or so many have."""

    async def look() -> bool:
        return (await notes(client)).count(line) >= times

    await wait_for(look, timeout, f"the note {line!r}")


async def lease_runs_out(client: Client) -> None:
    """As if nothing had been heard of any worker for an hour. Call it when none lives: one would be heard of too late.
    So a worker's lease can be long enough for a machine that stalls, and nobody need wait for its end."""
    await fetch(client, "update workers set heartbeat_at = heartbeat_at - interval '1 h'")


@asynccontextmanager
async def relaying(client: Client) -> AsyncIterator[None]:
    """Sends again what a worker gives back: on a busy machine a thread may be so late that its job was given back."""
    relay = Relay(client.database, client.outbox, Settings().dispatch_window)
    running = asyncio.create_task(keep_running("relay", relay.run_once, asyncio.Event()))
    try:
        yield
    finally:
        await cancel_and_wait([running])


async def started(client: Client, *keys: str) -> None:
    """Wait until the actors that hold these keys have begun, where nobody else relays."""
    async with relaying(client):
        for key in keys:
            await noted(client, f"{key} started")


async def go(client: Client, key: str) -> None:
    """Let the actors go on that wait for this key."""
    await client.redis.set(f"stage:go:{key}", "1")


async def waiting(client: Client, queue: str) -> list[Message[Any]]:
    """The messages of a queue, in order, as any Dramatiq program would read them."""
    keys = Keys.of(queue)
    ids: list[Any] = await client.redis.lrange(keys.waiting, 0, -1)
    found: list[Any] = await client.redis.hmget(keys.messages, ids) if ids else []
    return [Message.decode(data) for data in found]


async def sent(client: Client, queue: str, number: int = 1) -> list[Message[Any]]:
    """The messages of a queue once there are so many."""

    async def look() -> list[Message[Any]]:
        messages = await waiting(client, queue)
        return messages if len(messages) >= number else []

    return await wait_for(look, what=f"{number} messages in {queue}")


async def dead(client: Client, queue: str) -> list[bytes]:
    """The ids of a queue's dead letters."""
    ids: list[Any] = await client.redis.zrange(Keys.of(queue).dead, 0, -1)
    return ids


async def put(client: Client, queue: str, data: bytes, message_id: str = "") -> str:
    """Put anything into a queue's list, as a program that is not ours would."""
    keys, message_id = Keys.of(queue), message_id or str(uuid.uuid4())
    await client.redis.hset(keys.messages, message_id, data)
    await client.redis.rpush(keys.waiting, message_id)
    return message_id


async def put_message(client: Client, queue: str, actor: str, **fields: Any) -> str:
    """Put a message into a queue's list; `fields` replace what a right one has, `options` are added to its own."""
    redis_id = str(uuid.uuid4())
    message = {
        "queue_name": queue, "actor_name": actor, "args": [], "kwargs": {}, "message_id": str(uuid.uuid4()),
        "message_timestamp": 1_700_000_000_000,
        **fields, "options": {"redis_message_id": redis_id, **fields.get("options", {})},
    }  # fmt: skip
    await put(client, queue, orjson.dumps(message), redis_id)
    return str(message["message_id"])


async def nothing_left(client: Client, queue: str) -> None:
    """Wait until a queue has no message, neither waiting nor in a worker's hands."""

    async def look() -> bool:
        keys = Keys.of(queue)
        return not await client.redis.exists(keys.waiting) and not await client.redis.exists(keys.messages)

    await wait_for(look, what=f"{queue} to be empty in Redis")
