"""The loop around a service: it waits, is woken, survives what goes wrong, and ends when it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from scheduling.loop import keep_running
from tests.support.waiting import wait_for


class Service:
    """Counts its rounds; each does what the test says."""

    def __init__(self, run_once: Callable[[], Awaitable[float]]) -> None:
        self.rounds = 0
        self._run_once = run_once

    async def run_once(self) -> float:
        self.rounds += 1
        return await self._run_once()


@asynccontextmanager
async def kept_running(service: Service, wake: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(keep_running("test", service.run_once, wake))
    try:
        yield task
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)


async def at_once() -> float:
    return 0.0


async def in_an_hour() -> float:
    return 3_600.0


async def fail() -> float:
    raise ConnectionError("away")


async def test_it_goes_on_after_the_time_it_was_told() -> None:
    service = Service(at_once)
    async with kept_running(service, asyncio.Event()):
        await wait_for(lambda: service.rounds > 3)


async def test_it_can_be_woken() -> None:
    """Given a round that wants to wait for an hour, when it is woken, then it goes on at once."""
    service, wake = Service(in_an_hour), asyncio.Event()
    async with kept_running(service, wake):
        await wait_for(lambda: service.rounds == 1)
        wake.set()
        await wait_for(lambda: service.rounds == 2)


async def test_it_survives_errors() -> None:
    service = Service(fail)
    async with kept_running(service, asyncio.Event()) as task:
        await wait_for(lambda: service.rounds == 2)
        assert not task.done()


async def test_it_ends_when_it_is_cancelled() -> None:
    service = Service(in_an_hour)
    async with kept_running(service, asyncio.Event()) as task:
        await wait_for(lambda: service.rounds == 1)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.done()


async def hang_up() -> float:
    """Turns its cancellation into a connection error, as drivers do."""
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        raise ConnectionError("the connection was closed in the middle of an operation") from None
    return 0.0


async def mishear() -> float:
    """Loses its cancellation, as `asyncio.wait_for` does now and then in Python 3.11."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3_600)
    return 0.0


@pytest.mark.parametrize("round_", [hang_up, mishear])
async def test_it_ends_even_if_its_round_keeps_the_cancellation_to_itself(
    round_: Callable[[], Awaitable[float]],
) -> None:
    service = Service(round_)
    async with kept_running(service, asyncio.Event()) as task:
        await wait_for(lambda: service.rounds == 1)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
