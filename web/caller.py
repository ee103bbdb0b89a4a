"""The caller of a request, for the routes (`caller: CurrentCaller`), and where it calls from."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Scope

from services.callers import Caller


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller  # web.access let nobody pass without
    return caller


def address_of(scope: Scope) -> str:
    """The caller's address; behind a proxy, uvicorn's --forwarded-allow-ips says whose word is taken for it.

    Empty where there is none: on a Unix socket.
    """
    return scope["client"][0] if scope.get("client") else ""


CurrentCaller = Annotated[Caller, Depends(_caller)]
