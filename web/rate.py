"""How often one caller may ask: a bucket of tokens that fills as time passes. Each web process keeps its own."""

import math
import time

from errors import TooMany

WINDOW = 60  # seconds


class Rates:
    """`limit` requests a minute; 0 means as many as they like. Callers are known ones, so there are not many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, at

    def take(self, name: str) -> dict[str, str]:
        """Count a request; the headers that tell the caller where it stands. Raises TooMany."""
        if not self._limit:
            return {}
        now = time.monotonic()
        tokens, at = self._buckets.get(name, (float(self._limit), now))
        tokens = min(self._limit, tokens + (now - at) * self._limit / WINDOW)
        if tokens < 1:
            self._buckets[name] = tokens, now
            wait = (1 - tokens) * WINDOW / self._limit
            raise TooMany(f"{name} may ask {self._limit:,} times a minute. Send fewer, or many jobs at once.", wait)
        self._buckets[name] = tokens - 1, now
        return self._headers(int(tokens - 1), (self._limit - tokens + 1) * WINDOW / self._limit)

    def exhausted(self, wait: float) -> dict[str, str]:
        return {**self._headers(0, wait), "Retry-After": str(max(1, math.ceil(wait)))}

    def _headers(self, left: int, until_full: float) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has them: requests left, seconds until all are there again."""
        return {
            "RateLimit-Policy": f'"caller";q={self._limit};w={WINDOW}',
            "RateLimit": f'"caller";r={left};t={math.ceil(until_full)}',
        }
