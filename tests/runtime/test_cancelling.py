"""Ending tasks, also those that do not hear of it the first time."""

import asyncio
import contextlib

from runtime.cancelling import cancel_and_wait


async def test_a_task_that_loses_its_cancellation_is_cancelled_again() -> None:
    """Given a task that goes on after its first cancellation, as one in Python 3.11's `asyncio.wait_for` may, when it
    is to end, then it has ended afterwards, and so has its neighbour."""
    is_waiting = asyncio.Event()

    async def mishear() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            is_waiting.set()
            await asyncio.sleep(3_600)
        await asyncio.sleep(3_600)

    tasks = [asyncio.create_task(mishear()), asyncio.create_task(asyncio.sleep(3_600))]
    await is_waiting.wait()
    await cancel_and_wait(tasks)
    assert all(task.cancelled() for task in tasks)
