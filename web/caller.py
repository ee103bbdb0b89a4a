"""The caller of a request, for the routes: `caller: CurrentCaller`."""

from typing import Annotated

from fastapi import Depends, Request

from services.callers import Caller


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller  # web.access let nobody pass without
    return caller


CurrentCaller = Annotated[Caller, Depends(_caller)]
