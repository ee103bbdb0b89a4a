"""/api/v1/users: people, their roles and passwords. For administrators."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from db.models import User
from services import users
from services.callers import Role
from web.api.documents import Given, Text
from web.api.etag import IfMatch, etag, require_match
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/users", tags=["accounts"], route_class=StrictRoute)

Name = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Password = Annotated[str, StringConstraints(min_length=users.SHORTEST, max_length=users.LONGEST, pattern=r"^[^\x00]*$")]


class NewUser(Given):
    """A person who is to sign in."""

    name: Text
    role: Role = "viewer"
    password: Password | None = Field(None, description="None: signs in through the identity provider only.")


class UserChange(Given):
    """What is to be different; what is left out stays."""

    role: Role | None = None
    password: Password | None = Field(None, description="The person is signed out everywhere.")
    disabled: bool | None = Field(None, description="Shut out at once, signed in or not.")


class UserDocument(BaseModel):
    """A person."""

    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role
    signs_in_with: Literal["password", "identity provider"]
    created_at: datetime
    last_login_at: datetime | None
    disabled_at: datetime | None

    @classmethod
    def of(cls, user: User) -> Self:
        how = "password" if user.password_hash else "identity provider"
        names = cls.model_fields.keys() - {"signs_in_with"}
        return cls(**{name: getattr(user, name) for name in names}, signs_in_with=how)


class Users(BaseModel):
    """Everybody, by name."""

    users: list[UserDocument]


@router.get("")
async def listed(session: Transaction) -> Users:
    """Everybody."""
    return Users(users=[UserDocument.of(user) for user in await users.listed(session)])


@router.post("", status_code=201, responses=described(409, 415))
async def create(new: NewUser, session: Transaction, caller: CurrentCaller, response: Response) -> UserDocument:
    """A new user."""
    user = await users.create(session, caller.name, new.name, new.role, new.password)
    return await _shown(session, user, response)


@router.get("/{name}", responses=described(404))
async def one(name: Name, session: Transaction, response: Response) -> UserDocument:
    """One user."""
    return await _shown(session, await users.get(session, name), response)


@router.patch("/{name}", responses=described(404, 409, 412, 415))
async def change(
    name: Name,
    change: UserChange,
    session: Transaction,
    caller: CurrentCaller,
    response: Response,
    if_match: IfMatch = None,
) -> UserDocument:
    """Another role, another password, shut out or let in again."""
    user = await users.get(session, name)
    await require_match(session, user, if_match)
    if change.role is not None:
        await users.set_role(session, caller.name, name, change.role)
    if change.password is not None:
        await users.set_password(session, caller.name, name, change.password)
    if change.disabled is not None:
        act = users.disable if change.disabled else users.enable
        await act(session, caller.name, name)
    return await _shown(session, user, response)


@router.post("/{name}/sign-out", status_code=204, responses=described(404))
async def sign_out(name: Name, session: Transaction, caller: CurrentCaller) -> Response:
    """End all sessions of a user."""
    await users.sign_out_everywhere(session, caller.name, name)
    return Response(status_code=204)


async def _shown(session: Transaction, user: User, response: Response) -> UserDocument:
    await session.refresh(user)
    response.headers["ETag"] = etag(user)
    return UserDocument.of(user)
