"""Connections that wait for the next request to the same origin."""

import asyncio
import time
from collections import defaultdict

from providers.http.dialing import Origin
from providers.http.exchange import Exchange

_LONGEST = 5.0  # seconds; servers close theirs after about that time
_MOST = 256


class Idle:
    """The one that was used last is used first, so that those that are not needed grow old."""

    def __init__(self) -> None:
        self._kept: defaultdict[Origin, list[tuple[float, Exchange]]] = defaultdict(list)
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Exchange | None:
        """One that is open, and over which nothing has come since."""
        kept = self._kept.get(origin)
        while kept:
            _, exchange = kept.pop()
            self._number -= 1
            if exchange.wire.is_quiet:
                return exchange
            exchange.wire.close()
        return None

    def keep(self, origin: Origin, exchange: Exchange) -> None:
        if self._number >= _MOST:
            exchange.wire.close()
            return
        self._kept[origin].append((time.monotonic(), exchange))
        self._number += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LONGEST, self._close_old)

    def close(self) -> None:
        """All of them."""
        if self._timer is not None:
            self._timer.cancel()
        self._drop_before(float("inf"))

    def _close_old(self) -> None:
        self._drop_before(time.monotonic() - _LONGEST)
        wait = _LONGEST / 5
        self._timer = asyncio.get_running_loop().call_later(wait, self._close_old) if self._number else None

    def _drop_before(self, moment: float) -> None:
        for origin, kept in list(self._kept.items()):
            old = [exchange for since, exchange in kept if since <= moment]
            for exchange in old:
                exchange.wire.close()
            self._number -= len(old)
            if len(old) < len(kept):
                self._kept[origin] = kept[len(old) :]
            else:
                del self._kept[origin]
