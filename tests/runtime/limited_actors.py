"""Actors with limits. Some count in Redis how many of their key run at once: `stage:counts:<key>` is what each saw, and
`stage:met:<key>` is there when two have run at once: until then none of them ends."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
from dramatiq import Actor

from tests.runtime.some_actors import broker, note

__all__ = ["broker"]

QUEUE = "stage-limits"


def limited(**options: Any) -> Callable[[Callable[..., Any]], Actor[..., Any]]:
    return dramatiq.actor(queue_name=QUEUE, min_backoff=1, max_backoff=1, **options)


def come(key: str) -> None:
    running = int(broker.client.incr(f"stage:running:{key}"))
    broker.client.rpush(f"stage:counts:{key}", running)
    if running > 1:
        broker.client.set(f"stage:met:{key}", "1")


def met(key: str) -> bool:
    return bool(broker.client.exists(f"stage:met:{key}"))


def leave(key: str) -> None:
    broker.client.decr(f"stage:running:{key}")


@limited(concurrency=2, key="key")
async def limits_pair_async(key: str, seconds: float = 0.01) -> None:
    come(key)
    while not met(key):
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    leave(key)


@limited(concurrency=2, key=lambda key, seconds=0: key)
def limits_pair_sync(key: str, seconds: float = 0.01) -> None:
    come(key)
    while not met(key):
        time.sleep(0.01)
    time.sleep(seconds)
    leave(key)


@limited(concurrency=1)
async def limits_single(name: str) -> None:
    note(f"{name} starts")
    while not await asyncio.to_thread(broker.client.exists, f"stage:go:{name}", "stage:go:all"):
        await asyncio.sleep(0.01)
    note(f"{name} ends")


@limited(concurrency=1, max_retries=2)
async def limits_unlucky(name: str) -> None:
    note(name)
    raise RuntimeError(name)


@limited(rate_limit="5/s", key="key")
async def limits_rated(key: str) -> None:
    """At most five in any second."""


@limited(concurrency=1, key="key")
async def limits_crowd_at_once(key: str) -> None:
    """One at a time of each key; the first of the crowd goes on when a test says so."""
    note(key)
    while key == "crowd" and not await asyncio.to_thread(broker.client.exists, "stage:go:crowd"):
        await asyncio.sleep(0.01)


@limited(rate_limit="1/d", key="key")
async def limits_crowd_a_day(key: str) -> None:
    """One a day of each key."""
    note(key)


@limited(rate_limit="1/d")
async def limits_daily() -> None:
    """At most one in any day."""


@limited()
async def limits_free(name: str) -> None:
    note(f"{name} ran")


@limited(expires=timedelta(minutes=5))
async def limits_soon() -> None:
    """Must start within five minutes."""


@limited(concurrency=1, key=lambda account: account["id"])
async def limits_picky(account: Any) -> None:
    """Its key needs an account with an id."""
