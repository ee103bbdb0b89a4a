"""Actors that the web tests enqueue: a worker of theirs runs `dramatiq tests.web.some_actors`."""

from typing import Any, Literal

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


@dramatiq.actor(queue_name="web-tests", max_retries=0)
async def order_from_a_form(
    size: Literal["small", "large"],
    count: int,
    price: float,
    note: str | None = None,
    *,
    details: dict[str, Any] | None = None,
    to: str | list[str] = "nobody",
    urgent: bool = False,
    grade: Literal[1, 2] = 1,
) -> None:
    """Take an order.

    It is not delivered.
    """
