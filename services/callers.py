"""Who calls, and what it may do: a person with a role, or a program with a key."""

import hashlib
import hmac
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import structlog

from db import accounts
from db.database import Database
from errors import Forbidden
from services import networks

Scope = Literal["read", "enqueue", "operate", "admin", "metrics"]
Role = Literal["viewer", "operator", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLES: tuple[Role, ...] = get_args(Role)

# What each scope of a key brings along.
_IMPLIED: dict[Scope, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "enqueue": frozenset({"enqueue"}),
    "operate": frozenset({"read", "enqueue", "operate"}),
    "admin": frozenset(SCOPES),
    "metrics": frozenset({"metrics"}),
}
_OF_ROLE: dict[str, frozenset[Scope]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "enqueue", "operate", "metrics"}),
    "admin": frozenset(SCOPES),
}
KEY_MARK = "cb"

log = structlog.get_logger("callboard")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who stands behind a request. `name` owns the jobs it makes and stands in the audit: a user's, or "key:<name>"."""

    name: str
    scopes: frozenset[Scope]
    is_person: bool = False
    queues: frozenset[str] | None = None  # None: all
    actors: frozenset[str] | None = None  # None: all
    user_id: uuid.UUID | None = None
    session_token: str | None = None  # of a person signed in with a browser

    @property
    def sees_all(self) -> bool:
        """Others' jobs too: every person, and the keys that operate. The others see what they made themselves."""
        return self.is_person or "operate" in self.scopes

    @property
    def is_limited(self) -> bool:
        """To some queues or actors."""
        return self.queues is not None or self.actors is not None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises Forbidden, saying what it takes."""
        if scope not in self.scopes:
            raise Forbidden(
                f"{self.name} may not do that: it takes the role {_role_with(scope)} or a key with the scope {scope!r}."
            )

    def require_search_within(self) -> None:
        """Raises Forbidden for who could spell out what is masked by searching for it, a letter at a time."""
        if not self.may("operate"):
            raise Forbidden(
                f"{self.name} may not search within arguments, errors and logs, where what is masked could be guessed "
                "a letter at a time: it takes the role operator or a key with the scope 'operate'."
            )

    def require_everything(self) -> None:
        """Raises Forbidden for who sees a part of the jobs only."""
        if not self.sees_all or self.is_limited:
            raise Forbidden(
                f"{self.name} sees only some jobs, and this shows all: it takes a key with the scope 'operate' "
                "that is not limited to queues or actors."
            )

    def reaches(self, *, actor: str, queue: str) -> bool:
        """Whether its key is for this actor and this queue."""
        return (self.actors is None or actor in self.actors) and (self.queues is None or queue in self.queues)

    def require_reach(self, *, actor: str, queue: str) -> None:
        """Raises Forbidden unless its key is for this actor and this queue."""
        if not self.reaches(actor=actor, queue=queue):
            actors = f"the actors {', '.join(sorted(self.actors))}" if self.actors is not None else ""
            queues = f"the queues {', '.join(sorted(self.queues))}" if self.queues is not None else ""
            raise Forbidden(f"{self.name} is for {' and '.join(filter(None, (actors, queues)))} only.")

    def require_queue(self, queue: str) -> None:
        """Raises Forbidden unless its key is for this queue."""
        if self.queues is not None and queue not in self.queues:
            raise Forbidden(f"{self.name} is for the queues {', '.join(sorted(self.queues))} only.")

    def sees(self, *, owner: str | None, actor: str, queue: str) -> bool:
        """Whether such a job is there for it at all."""
        return (self.sees_all or owner == self.name) and self.reaches(actor=actor, queue=queue)


def _role_with(scope: Scope) -> str:
    return next((role for role in ROLES if scope in _OF_ROLE[role]), "admin")


def of_user(user_id: uuid.UUID, name: str, role: str, session_token: str | None = None) -> Caller:
    """A person in this role."""
    return Caller(name=name, scopes=_OF_ROLE[role], is_person=True, user_id=user_id, session_token=session_token)


def digest(secret: str) -> bytes:
    """SHA-256. Keys and tokens are 256 random bits: nobody guesses one from a fast hash."""
    return hashlib.sha256(secret.encode()).digest()


async def by_key(database: Database, key: str, address: str) -> Caller | None:
    """The caller with this key, if the key is good now, and for this address.

    A key that is shown from elsewhere is as good as none: whoever took it is not told that it is right, nor that
    another place would do. Whose it is and why it was refused stands in the log.
    """
    mark, _, rest = key.partition("_")
    prefix, _, _ = rest.partition("_")
    if mark != KEY_MARK or not prefix.isascii() or not prefix.isalnum():
        return None
    async with database.connection() as connection:
        row = await connection.fetchrow(accounts.KEY, prefix)
        shown = digest(key)
        # Both are always compared, so that the time taken tells nothing.
        if row is None or not (
            hmac.compare_digest(shown, row["key_hash"]) | hmac.compare_digest(shown, row["previous_hash"] or b"")
        ):
            return None
        if row["networks"] and not networks.hold(row["networks"], address):
            log.warning("key_refused", caller=f"key:{row['name']}", address=address, networks=row["networks"])
            return None
        if row["is_stale"]:
            await connection.execute(accounts.KEY_USED, row["id"])
    return Caller(
        name=f"key:{row['name']}",
        scopes=frozenset().union(*(_IMPLIED[scope] for scope in row["scopes"])),
        queues=None if row["queues"] is None else frozenset(row["queues"]),
        actors=None if row["actors"] is None else frozenset(row["actors"]),
    )


async def by_session(database: Database, token: str, idle_hours: float) -> Caller | None:
    """The person whose session this token opens, if it has not ended."""
    async with database.connection() as connection:
        row = await connection.fetchrow(accounts.SESSION, digest(token), idle_hours * 3600)
        if row is None:
            return None
        if row["is_stale"]:
            await connection.execute(accounts.SESSION_SEEN, digest(token))
    return of_user(row["id"], row["name"], row["role"], token)


async def by_sessions(database: Database, tokens: Collection[str], idle_hours: float) -> dict[str, Caller]:
    """The people of these sessions, by the sessions' tokens; those that have ended are not there."""
    hashes = {digest(token): token for token in tokens}
    async with database.connection() as connection:
        rows = await connection.fetch(accounts.SESSIONS, list(hashes), idle_hours * 3600)
        stale = sorted(row["token_hash"] for row in rows if row["is_stale"])
        if stale:
            await connection.execute(accounts.SESSIONS_SEEN, stale)
    found = ((hashes[row["token_hash"]], row) for row in rows)
    return {token: of_user(row["id"], row["name"], row["role"], token) for token, row in found}


async def any_account(database: Database) -> bool:
    """Whether anybody could come in at all."""
    async with database.connection() as connection:
        return bool(await connection.fetchval(accounts.ANY_ACCOUNT))
