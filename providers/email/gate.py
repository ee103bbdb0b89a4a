"""How many may ask a provider at once, and that nobody does while it refuses our login, key or account."""

import asyncio
import time
from types import TracebackType

from errors import Ambiguous, ChannelClosed, ChannelRefused, Rejected

AGAIN = 60.0  # seconds after which one mail finds out whether a provider takes mail again


class Gate:
    """`async with gate:` around a request. Belongs to one event loop.

    An account whose login fails again and again gets locked: so after ChannelClosed whoever comes gets the same error
    without a request, until `again` seconds have passed. Then one is let through, and the gate is open once the
    provider has looked at a mail.
    """

    def __init__(self, at_once: int, again: float = AGAIN) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self.again = again
        self._refusal: ChannelClosed | None = None
        self._next = 0.0  # by the monotonic clock, when one is let through

    async def __aenter__(self) -> None:
        await self._turns.acquire()
        if self._refusal is None:
            return
        now = time.monotonic()
        if now < self._next:
            self._turns.release()
            raise ChannelClosed(str(self._refusal), code=self._refusal.code)
        self._next = now + self.again

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.release()
        if isinstance(error, ChannelClosed):
            self._refusal = ChannelClosed(str(error), code=error.code)  # without its frames, and what they hold
            self._next = time.monotonic() + self.again
        elif error is None or (isinstance(error, Rejected | Ambiguous) and not isinstance(error, ChannelRefused)):
            self._refusal = None
