"""/api/v1/actors/NAME/limits: what its keys allow, how much of that is taken, and setting it otherwise."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from errors import NotFound
from runtime.limited import MOST
from services import limits
from web.api.documents import Given, Masked, Reason, Text
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(tags=["queues"], route_class=StrictRoute)

Name = Annotated[str, Path(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Key = Annotated[Text | None, Query(description="One of its keys; its name, if not given.")]


class NewLimit(Given):
    """What is to hold instead of what the code declares; what is null stays as it is."""

    key: Text | None = Field(None, description="One of the actor's keys; its name, if not given.")
    concurrency: int | None = Field(None, ge=1, le=MOST, description="Jobs at once.")
    rate_limit: Text | None = Field(None, description="Starts in any second, minute, hour or day.", examples=["10/m"])
    reason: Reason


class LimitDocument(BaseModel):
    """A key, with what it allows and what of that is taken. `declared_…` is what the code has, while it is set."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    key: Masked[str]
    concurrency: int | None
    rate_limit: str | None
    running: int
    started: int = Field(description="Within the period.")
    waiting: int = Field(description=f"Counted up to {limits.COUNTED:,}.")
    used_at: datetime
    declared_concurrency: int | None
    declared_rate_limit: str | None
    set_by: str | None
    set_at: datetime | None
    set_reason: Masked[str | None]


class Limits(BaseModel):
    """Those that are set, then those that were used last."""

    limits: list[LimitDocument]


@router.get("/actors/{name}/limits")
async def listed(name: Name, session: Transaction) -> Limits:
    """The keys of an actor that are set or were used last: 20 at most."""
    return Limits(limits=[LimitDocument.model_validate(one) for one in await limits.of_actor(session, name)])


@router.put("/actors/{name}/limits", responses=described(404, 409, 415))
async def set_(name: Name, new: NewLimit, session: Transaction, caller: CurrentCaller) -> LimitDocument:
    """Let more of its jobs run or start, or fewer, whatever the code declares, until it is reset."""
    found = await limits.set_(
        session, _of(name, new.key), who=caller.name, reason=new.reason, concurrency=new.concurrency,
        rate=new.rate_limit,
    )  # fmt: skip
    return LimitDocument.model_validate(found)


@router.delete("/actors/{name}/limits", responses=described(404, 409))
async def reset(name: Name, session: Transaction, caller: CurrentCaller, key: Key = None) -> LimitDocument:
    """It is as the code declares it again."""
    return LimitDocument.model_validate(await limits.reset(session, _of(name, key), who=caller.name))


def _of(actor: str, key: str | None) -> str:
    """The key, if it is one of that actor's."""
    if key is not None and key != actor and not key.startswith(f"{actor}:"):
        raise NotFound(f"The actor {actor!r} has no key {key!r}. Its keys are its name, or begin with `{actor}:`.")
    return key or actor
