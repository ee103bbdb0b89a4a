"""Waiting for a condition instead of sleeping for a while."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def wait_for(condition: Callable[[], Awaitable[T | None]], timeout: float = ..., what: str = ...) -> T: ...
@overload
async def wait_for(condition: Callable[[], T | None], timeout: float = ..., what: str = ...) -> T: ...
async def wait_for(condition: Callable[[], Any], timeout: float = 60, what: str = "") -> Any:
    """The condition's first true value. The condition may be a plain function or a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {timeout:g} s for {what or inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.02)
