"""Who has pages open, looked up all at once: two hundred pages that refresh themselves are one look, not two hundred.

Only those refreshes (web/refreshes.py) rely on it, and no longer than a moment; every other request is looked up alone.
"""

import time
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import Scope

from db.database import Database
from services import callers
from services.callers import Caller

_GOOD = 5.0  # seconds


def is_refresh(scope: Scope) -> bool:
    """Whether an open page asks for a part of itself."""
    headers = Headers(scope=scope)
    return scope["method"] == "GET" and headers.get("hx-request") == "true" and "#" in headers.get("hx-target", "")


class Present:
    def __init__(self, database: Database, idle_hours: float) -> None:
        self._database, self._idle_hours = database, idle_hours
        self._callers: dict[str, Caller] = {}
        self._looked_at = float("-inf")

    async def look(self, sessions: Collection[str]) -> None:
        """Look up these sessions, by their tokens. Raises what says that the database is away."""
        looked_at = time.monotonic()
        self._callers = await callers.by_sessions(self._database, sessions, self._idle_hours) if sessions else {}
        self._looked_at = looked_at

    def caller(self, session: str) -> Caller | None:
        """The person of an open page's session; None where a moment ago there was none, or nobody looked."""
        return self._callers.get(session) if time.monotonic() - self._looked_at < _GOOD else None
