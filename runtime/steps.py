"""`job.step(...)`: done once in a job's life, over all its attempts."""

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from db import checkpoints
from errors import BadArguments
from runtime import payload
from runtime.delivery import Delivery
from runtime.patience import patiently
from runtime.transaction import StepTransaction

if TYPE_CHECKING:
    from runtime.executor import Executor

R = TypeVar("R")
_LONGEST = 500  # characters of a name


class Steps:
    """A run's view of its job's steps. Its coroutines live on the worker's event loop."""

    def __init__(self, delivery: Delivery, executor: "Executor") -> None:
        self._delivery, self._executor = delivery, executor
        self._kept: dict[str, str | None] | None = None if delivery.attempt > 1 else {}
        self._called: set[str] = set()

    async def kept(self) -> dict[str, str | None]:
        """The steps that earlier attempts have done, and their results as JSON."""
        if self._kept is None:
            self._kept = await patiently("loading steps", self._load)
        return self._kept

    async def call(
        self, name: str, function: Callable[..., Coroutine[Any, Any, Any]], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        self._note(name)
        kept = await self.kept()
        if name not in kept:
            transaction = self._transaction(name)
            async with transaction as session:
                if "session" in inspect.signature(function).parameters:
                    kwargs = {**kwargs, "session": session}
                transaction.result = encode(name, await function(*args, **kwargs))
            kept[name] = transaction.result
        return decode(kept[name])

    def call_blocking(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        self._note(name)
        kept = self._executor.wait(self.kept())
        if name not in kept:
            transaction = self._transaction(name)
            with transaction as session:
                if "session" in inspect.signature(function).parameters:
                    kwargs = {**kwargs, "session": session}
                transaction.result = encode(name, function(*args, **kwargs))
            kept[name] = transaction.result
        return decode(kept[name])

    def _transaction(self, name: str) -> StepTransaction:
        return StepTransaction(self._delivery, self._executor, name)

    def _note(self, name: str) -> None:
        payload.check(name, "the name of a step")
        if not 0 < len(name) <= _LONGEST:
            raise BadArguments(f"A step's name has between 1 and {_LONGEST} characters.", "name")
        if name.startswith("["):
            raise BadArguments("A step's name does not begin with a bracket: items of loops are remembered so.", "name")
        if name in self._called:
            raise BadArguments(f"This job has two steps called {name!r}. Give each its own name: {name!r}, i.", "name")
        self._called.add(name)

    async def _load(self) -> dict[str, str | None]:
        async with self._executor.database.connection() as connection:
            return dict(await connection.fetch(checkpoints.STEPS, self._delivery.job_id))


def encode(name: str, result: Any) -> str | None:
    return None if result is None else payload.encode_kept(result, f"the step {name!r}")


def decode(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
