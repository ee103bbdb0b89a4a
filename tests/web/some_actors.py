"""Actors that the web tests enqueue: a worker of theirs runs `dramatiq tests.web.some_actors`."""

import dramatiq

import actors
from runtime import current_job

broker = actors.broker


@dramatiq.actor(queue_name="web-tests", max_retries=0)
async def welcome(name: str, *, loudly: bool = False) -> str:
    return f"HELLO, {name.upper()}!" if loudly else f"Hello, {name}."


@dramatiq.actor(queue_name="web-tests", max_retries=1, min_backoff=1, max_backoff=1)
async def turn_away(reason: str) -> None:
    raise ValueError(reason)


@dramatiq.actor(queue_name="web-tests", max_retries=0)
async def sign(name: str, password: str, *tokens: str, loudly: bool = False) -> dict[str, str]:
    current_job().log.info(f"{name} logs in with token={tokens[0]}")
    raise ValueError(f"cannot sign with password={password}")
