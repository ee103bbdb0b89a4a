"""An AsyncSession for code that runs in a thread: the same methods, each of them waited for."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from sqlalchemy import Executable, Result, ScalarResult
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class BlockingSession:
    """What a sync actor gets from `job.transaction()`. As with AsyncSession, nothing is loaded lazily."""

    def __init__(self, session: AsyncSession, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.asynchronous = session
        self._wait = wait

    def execute(self, statement: Executable, params: Any = None) -> Result[Any]:
        result: Result[Any] = self._wait(self.asynchronous.execute(statement, params))
        return result

    def scalars(self, statement: Executable, params: Any = None) -> ScalarResult[Any]:
        result: ScalarResult[Any] = self._wait(self.asynchronous.scalars(statement, params))
        return result

    def scalar(self, statement: Executable, params: Any = None) -> Any:
        return self._wait(self.asynchronous.scalar(statement, params))

    def get(self, entity: type[T], key: Any) -> T | None:
        found: T | None = self._wait(self.asynchronous.get(entity, key))
        return found

    def add(self, instance: object) -> None:
        self.asynchronous.add(instance)

    def add_all(self, instances: Iterable[object]) -> None:
        self.asynchronous.add_all(instances)

    def delete(self, instance: object) -> None:
        self._wait(self.asynchronous.delete(instance))

    def flush(self) -> None:
        self._wait(self.asynchronous.flush())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for anything asynchronous: `session.run(jobs.enqueue(session.asynchronous, greet, "Ada"))`."""
        result: T = self._wait(coroutine)
        return result
