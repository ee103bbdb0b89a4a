"""`job.each(items)`: a loop that goes on where it stopped, after a crash, a retry, a deploy or a pause."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.checkpoint import Checkpoint
from runtime.delivery import Delivery
from runtime.interrupts import pause_if_wanted
from runtime.progress import Report
from runtime.steps import Steps
from runtime.transaction import CheckpointTransaction, JobTransaction

if TYPE_CHECKING:
    from runtime.executor import Executor

T = TypeVar("T")


class Each(Generic[T]):
    """Iterate it once: `async for` in an async actor, `for` in a sync one.

    An item is done when the loop asks for the next one, or when `transaction()` has committed it.
    """

    def __init__(
        self, delivery: Delivery, executor: "Executor", steps: Steps, items: Iterable[T] | AsyncIterable[T], *,
        every: int, seconds: float, key: Callable[[T], Any] | None, name: str, total: float | None,
    ) -> None:  # fmt: skip
        self._delivery, self._executor, self._steps, self._items = delivery, executor, steps, items
        self._every, self._seconds, self._key, self._name = every, seconds, key, name
        self._total = total if total is not None or not isinstance(items, Sized) else float(len(items))
        self._checkpoint = delivery.checkpoint
        self._to_skip = 0 if key else self.done
        self._done_before: frozenset[str] = frozenset()
        self._in_hand = False
        self._item: str | None = None  # under which name the item in hand is remembered
        self._saved, self._saved_at = self.done, time.monotonic()

    @property
    def done(self) -> int:
        """How many items are done, those of earlier attempts included."""
        return int(self._checkpoint.loops.get(self._name, 0))

    def transaction(self) -> JobTransaction:
        """The item's own writes, and the note that it is done, committed together or not at all: the item's effect
        happens once, however often the job is interrupted. Raises LeaseLost if this run was given up."""
        kept = Checkpoint(self._checkpoint.data, {**self._checkpoint.loops, self._name: self.done + 1})
        return CheckpointTransaction(self._delivery, self._executor, kept, self._item, self._finish)

    async def __aiter__(self) -> AsyncIterator[T]:
        await self._remember()
        self._report()
        async for item in _asynchronous(self._items):
            if not self._take(item):
                continue
            yield item
            if self._advance():
                await self._save()
            pause_if_wanted(self._delivery)
        await self._save()

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._items, Iterable):
            raise TypeError("A sync actor can only go through items that `for` can go through.")
        self._wait(self._remember())
        self._report()
        for item in self._items:
            if not self._take(item):
                continue
            yield item
            if self._advance():
                self._wait(self._save())
            pause_if_wanted(self._delivery)
        self._wait(self._save())

    async def _remember(self) -> None:
        if self._key is not None:
            prefix = item_name(self._name, "")
            self._done_before = frozenset(name for name in await self._steps.kept() if name.startswith(prefix))

    def _take(self, item: T) -> bool:
        """Take the item in hand, unless an earlier attempt has done it."""
        if self._key is not None:
            self._item = item_name(self._name, self._key(item))
            self._in_hand = self._item not in self._done_before
        elif self._to_skip > 0:
            self._to_skip -= 1
            self._in_hand = False
        else:
            self._in_hand = True
        return self._in_hand

    def _finish(self) -> None:
        self._in_hand = False
        self._checkpoint.loops[self._name] = self.done + 1

    def _advance(self) -> bool:
        """The loop asks for the next item. Returns whether a checkpoint is due."""
        if self._in_hand:  # else its own transaction has noted it
            self._finish()
            self._checkpoint.is_ahead = True
            if self._item is not None:
                self._checkpoint.items.append(self._item)
        self._report()
        return self.done - self._saved >= self._every or time.monotonic() - self._saved_at >= self._seconds

    def _report(self) -> None:
        """How far the loop has come, unless the actor tells that itself."""
        if not self._delivery.reports_itself:
            message = None if self._name == "each" else self._name
            self._executor.telemetry.progress.report(
                self._delivery, Report(float(self.done), self._total, message, None)
            )

    async def _save(self) -> None:
        if self._checkpoint.is_ahead:
            await self._executor.checkpoints.save(self._delivery, self._checkpoint)
        self._saved, self._saved_at = self.done, time.monotonic()

    def _wait(self, coroutine: Any) -> None:
        self._executor.wait(coroutine)


def item_name(loop: str, key: Any) -> str:
    """Under which an item that is done is remembered, among the steps; no step may be called so."""
    return f"[{loop}] {key}"


async def _asynchronous(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
