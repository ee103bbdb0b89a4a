"""/api/v1/me: who the caller is, and what it may do."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from services.callers import SCOPES, Scope
from web.api.route import StrictRoute
from web.caller import CurrentCaller

router = APIRouter(prefix="/me", tags=["accounts"], route_class=StrictRoute)


class Me(BaseModel):
    """The caller."""

    name: str
    kind: Literal["user", "key"]
    scopes: list[Scope]
    sees_all: bool
    queues: list[str] | None
    actors: list[str] | None


@router.get("")
async def me(caller: CurrentCaller) -> Me:
    """Who you are. `name` owns the jobs that you enqueue."""
    return Me(
        name=caller.name,
        kind="user" if caller.is_person else "key",
        scopes=[scope for scope in SCOPES if caller.may(scope)],
        sees_all=caller.sees_all,
        queues=None if caller.queues is None else sorted(caller.queues),
        actors=None if caller.actors is None else sorted(caller.actors),
    )
