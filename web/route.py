"""How long a request may take: a server that hangs must not hold the caller for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

PATIENCE = 20  # seconds for one request, until its answer begins

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TimedRoute(APIRoute):
    """What is not answered in time is answered with a 503."""

    patience: float | None = None  # None: PATIENCE

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_in_time(request: Request) -> Response:
            async with asyncio.timeout(self.patience or PATIENCE):
                return await handle(request)

        return handle_in_time
