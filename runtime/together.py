"""What many jobs ask at the same time is asked once: one statement, one commit, an answer for each."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

import asyncpg

from runtime.batch import Batch

T = TypeVar("T")
R = TypeVar("R")

_MOST_ALONE = 2  # at once: who waits for a row must not take all connections


class Together(Generic[T, R]):
    """`await together.ask(item)`. Belongs to one event loop.

    `answer` takes many items and has an answer for each, in order; None for those whose rows somebody holds, so that
    they keep nobody waiting. Each of these is asked for once more, with `alone`, which gets it alone and waits. Where
    the database refuses a statement over many items, each is asked by itself, so that only the one with the mistake
    fails. Who stops waiting before his item is asked has not asked; after that it is done without him.
    """

    def __init__(
        self,
        answer: Callable[[list[T]], Awaitable[Sequence[R | None]]],
        alone: Callable[[list[T]], Awaitable[Sequence[R | None]]],
        most: int = 100,
    ) -> None:
        self._answer, self._alone = answer, alone
        self._batch: Batch[tuple[T, asyncio.Future[R | None]]] = Batch(self._flush, most)
        self._turns = asyncio.Semaphore(_MOST_ALONE)

    async def ask(self, item: T) -> R | None:
        """None, if there is nothing to be had for it. Raises what the answering raised."""
        answer: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._batch.add((item, answer))
        answered = await answer
        if answered is not None:
            return answered
        async with self._turns:
            return (await self._alone([item]))[0]

    async def _flush(self, asked: list[tuple[T, asyncio.Future[R | None]]]) -> None:
        waiting = [(item, answer) for item, answer in asked if not answer.done()]
        if not waiting:
            return
        try:
            answers = await self._answer([item for item, _ in waiting])
        except asyncpg.PostgresError as error:
            if len(waiting) > 1:
                for one in waiting:
                    await self._flush([one])
                return
            _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it, whatever it is)
            _fail(waiting, error)
        else:
            for (_, answer), said in zip(waiting, answers, strict=True):
                if not answer.done():
                    answer.set_result(said)


async def to_the_end(doing: Coroutine[Any, Any, R]) -> R:
    """Await what must come to its end although the run is cancelled meanwhile; the cancellation waits for it."""
    task = asyncio.get_running_loop().create_task(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        raise


def _fail(waiting: "Sequence[tuple[T, asyncio.Future[R | None]]]", error: Exception) -> None:
    for _, answer in waiting:
        if not answer.done():
            answer.set_exception(error)
