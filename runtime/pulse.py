"""Does something soon after it is asked for, and not more often than every so many seconds."""

import asyncio
from collections.abc import Awaitable, Callable


class Pulse:
    """Lives on an event loop, where `run` is a task; `ask` may be called from any thread, and costs next to nothing."""

    def __init__(self, do: Callable[[], Awaitable[None]], every: float) -> None:
        self._do, self._every = do, every
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._is_asked = False

    def ask(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._loop.call_soon_threadsafe(self._event.set)

    async def run(self) -> None:
        while True:
            await self._event.wait()
            self._event.clear()
            self._is_asked = False  # before it is done: what is asked for meanwhile is done next time
            await self._do()
            await asyncio.sleep(self._every)
