"""Actors: what is declared, and pausing them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dramatiq import Actor
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import pauses
from db.models import Job, TaskFunction
from errors import NotFound, UnknownActor
from runtime.access import EnqueuedBy, enqueued_by
from runtime.retries import DEFAULT_MAX_BACKOFF, DEFAULT_MAX_RETRIES, DEFAULT_MIN_BACKOFF
from services import pauses as pausing
from services.pauses import FOREVER, Span

_COUNTED = 10_000  # jobs that wait because their actor is paused


@dataclass(frozen=True)
class DeclaredActor:
    """An actor as this process knows it, and whether its jobs are started."""

    name: str
    queue: str
    priority: int
    concurrency: int | None  # of its jobs at once, for each key
    rate_limit: str | None  # "10/m": starts in any minute, for each key
    key: str | None  # what its limits are counted by: an argument's name, or "a function"
    enqueued_by: EnqueuedBy  # whose hands may write its jobs' arguments
    is_paused: bool
    held: int  # jobs that wait because it is paused, counted up to 10,000
    reason: str | None = None  # why it is paused
    paused_by: str | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None  # None: until it is resumed

    @property
    def limits(self) -> str:
        """In words; empty without any."""
        most = [f"{self.concurrency} at once"] if self.concurrency else []
        most += [f"{self.rate_limit} started"] if self.rate_limit else []
        each = {None: "", "a function": " for each key"}.get(self.key, f" for each {self.key}")
        return ", ".join(most) + each if most else ""


@dataclass(frozen=True)
class KnownActor:
    """What is known of an actor: from this process if it is declared here, else from those that have registered it."""

    declared: DeclaredActor | None
    description: str
    module: str
    signature: str  # as in its code; empty if that is not known
    is_async: bool | None
    options: Mapping[str, Any]  # those of a declared actor, the defaults filled in; times in milliseconds


async def listed(session: AsyncSession) -> list[DeclaredActor]:
    """All declared actors, by name."""
    return await _listed(session, sorted(broker.actors))


async def get(session: AsyncSession, name: str) -> DeclaredActor:
    """One of them. Raises NotFound."""
    if name not in broker.actors:
        raise NotFound(f"No actor is named {name!r}. There are: {', '.join(sorted(broker.actors)) or 'none'}.")
    (found,) = await _listed(session, [name])
    return found


def declared(name: str) -> Actor[Any, Any]:
    """The actor itself, which must be declared."""
    return broker.actors[name]


def names() -> list[str]:
    """Of all declared actors."""
    return sorted(broker.actors)


def written_by_people() -> list[str]:
    """The names of those whose arguments do not come from a service only."""
    return [name for name in names() if enqueued_by(broker.actors[name]) != "services"]


def queues() -> list[str]:
    """The queues that actors are declared for, by name."""
    return sorted(broker.queues)


async def known(session: AsyncSession, name: str) -> KnownActor:
    """What there is to be known of it. Raises NotFound of one that nobody has declared or run."""
    if name in broker.actors:
        actor = broker.actors[name]
        function = inspect.unwrap(actor.fn, stop=inspect.iscoroutinefunction)
        return KnownActor(
            await get(session, name), inspect.getdoc(actor.fn) or "", actor.fn.__module__,
            _written(name, inspect.signature(actor.fn)), inspect.iscoroutinefunction(function), _options(actor),
        )  # fmt: skip
    registered = await session.get(TaskFunction, name)
    if registered is not None:
        return KnownActor(None, registered.description, registered.module, "", None, {})
    if await session.scalar(select(Job.id).where(Job.actor == name).limit(1)) is None:
        raise NotFound(f"No actor is named {name!r}, and there is no job of one.")
    return KnownActor(None, "", "", "", None, {})


def _written(name: str, signature: inspect.Signature) -> str:
    """As it is written in the code: on one line, or one for each parameter."""
    text = f"{name}{signature}".replace("typing.", "")
    if len(text) <= 80:
        return text
    declared = list(signature.parameters.values())
    lines = []
    for place, one in enumerate(declared):
        before = {other.kind for other in declared[:place]}
        if one.kind is one.KEYWORD_ONLY and not before & {one.KEYWORD_ONLY, one.VAR_POSITIONAL}:
            lines.append("*")
        if one.kind is not one.POSITIONAL_ONLY and before == {one.POSITIONAL_ONLY}:
            lines.append("/")
        lines.append(str(one).replace("typing.", ""))
    return "\n".join([f"{name}(", *(f"    {line}," for line in lines), text[text.rindex(")") :]])


def _options(actor: Actor[Any, Any]) -> dict[str, Any]:
    options = {
        "max_retries": DEFAULT_MAX_RETRIES, "min_backoff": DEFAULT_MIN_BACKOFF, "max_backoff": DEFAULT_MAX_BACKOFF,
        **actor.options,
    }  # fmt: skip
    throws = options.get("throws") or ()
    options["throws"] = [one.__name__ for one in (throws if isinstance(throws, tuple) else (throws,))]
    options["expires"] = options["expires"].total_seconds() if options.get("expires") else None
    return options


async def _listed(session: AsyncSession, names: list[str]) -> list[DeclaredActor]:
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(pauses.ACTORS, (names, _COUNTED))).mappings()
    return [
        DeclaredActor(**row, **_declared(row["name"]), is_paused=row["paused_at"] is not None)
        for row in rows
    ]  # fmt: skip


async def pause(session: AsyncSession, name: str, *, who: str, reason: str, span: Span = FOREVER) -> datetime | None:
    """Start none of its jobs until it is resumed, or that time is over. Returns when that is, if it is. Raises
    UnknownActor, BadArguments (no reason, a moment that is over) or Conflict."""
    if name not in broker.actors:
        raise UnknownActor(name, list(broker.actors))
    return await pausing.pause(session, "actor", name, who=who, reason=reason, span=span)


async def resume(session: AsyncSession, name: str, *, who: str, reason: str | None = None) -> None:
    """Start its jobs again. Raises Conflict if it is not paused."""
    await pausing.resume(session, "actor", name, who=who, reason=reason)


def _declared(name: str) -> dict[str, Any]:
    actor = broker.actors[name]
    key = actor.options.get("key")
    return {
        "queue": actor.queue_name,
        "priority": actor.priority,
        "concurrency": actor.options.get("concurrency"),
        "rate_limit": actor.options.get("rate_limit"),
        "key": key if key is None or isinstance(key, str) else "a function",
        "enqueued_by": enqueued_by(actor),
    }
