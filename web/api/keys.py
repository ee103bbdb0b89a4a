"""/api/v1/keys: programs' keys. For administrators. A key is in the answer that makes it, and in no other."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from services import keys, networks
from services.callers import Scope
from web.api.documents import TEN_YEARS, Given, Text
from web.api.etag import IfMatch, etag, require_match
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/keys", tags=["accounts"], route_class=StrictRoute)

Name = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Names = Annotated[list[Text] | None, Field(min_length=1, max_length=keys.MOST_NAMES)]


class NewKey(Given):
    """A key to be made."""

    name: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]
    queues: Names = Field(None, description="For these queues only.")
    actors: Names = Field(None, description="For these actors only.")
    networks: list[Text] = Field(
        [], max_length=networks.MOST, description="Accepted from these only, in CIDR notation; none: from anywhere.",
        examples=[["10.0.0.0/8", "2001:db8::/32"]],
    )  # fmt: skip
    expires_in: float | None = Field(None, gt=0, le=TEN_YEARS, description="Seconds that it lives; null: for ever.")


class Rotation(Given):
    """How the old secret ends."""

    grace: float = Field(0, ge=0, le=TEN_YEARS, description="Seconds for which it still opens.")


class KeyDocument(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    name: str
    prefix: str
    scopes: list[Scope]
    queues: list[str] | None
    actors: list[str] | None
    networks: list[str] = Field(description="Accepted from these only; none: from anywhere.")
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class MadeKey(KeyDocument):
    """A key as it is made."""

    key: str = Field(description="The whole key. It is not shown again.")

    @classmethod
    def of(cls, made: keys.NewKey) -> Self:
        return cls(**KeyDocument.model_validate(made.row).model_dump(), key=made.key)


class Keys(BaseModel):
    """All keys, revoked ones too, by name."""

    keys: list[KeyDocument]


@router.get("")
async def listed(session: Transaction) -> Keys:
    """All keys."""
    return Keys(keys=[KeyDocument.model_validate(key) for key in await keys.listed(session)])


@router.post("", status_code=201, responses=described(409, 415))
async def create(new: NewKey, session: Transaction, caller: CurrentCaller) -> MadeKey:
    """A new key."""
    made = await keys.create(
        session, caller.name, new.name, new.scopes, queues=new.queues, actors=new.actors,
        only_from=new.networks, lives=None if new.expires_in is None else timedelta(seconds=new.expires_in),
    )  # fmt: skip
    return MadeKey.of(made)


@router.get("/{name}", responses=described(404))
async def one(name: Name, session: Transaction, response: Response) -> KeyDocument:
    """One key."""
    key = await keys.get(session, name)
    response.headers["ETag"] = etag(key)
    return KeyDocument.model_validate(key)


@router.post("/{name}/rotate", responses=described(404, 409, 412, 415))
async def rotate(
    name: Name, session: Transaction, caller: CurrentCaller, how: Rotation | None = None, if_match: IfMatch = None
) -> MadeKey:
    """A new secret under the same name."""
    await require_match(session, await keys.get(session, name), if_match)
    grace = timedelta(seconds=how.grace if how else 0)
    return MadeKey.of(await keys.rotate(session, caller.name, name, grace))


@router.delete("/{name}", responses=described(404, 412))
async def revoke(name: Name, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None) -> KeyDocument:
    """End it for good, from the next request on."""
    await require_match(session, await keys.get(session, name), if_match)
    return KeyDocument.model_validate(await keys.revoke(session, caller.name, name))
