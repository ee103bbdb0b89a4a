"""What this process can run, told to the database: schedules choose from it, and people look at it."""

import inspect
import typing
from typing import TYPE_CHECKING, Any

import orjson
from dramatiq import Actor
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from db import schedules
from db.database import Database
from runtime.periodic import MISFIRE_GRACE, schedule_id_of
from runtime.triggers import JOB_TYPES

if TYPE_CHECKING:
    from runtime.broker import Broker

_DEFAULTS = ("max_retries", "min_backoff", "max_backoff", "time_limit", "soft_time_limit", "max_age")


async def register(database: Database, broker: "Broker") -> None:
    """Write down the actors and the kinds of triggers of this process; mark actors as missing that its modules had."""
    actors = list(broker.actors.values())
    names, modules = [actor.actor_name for actor in actors], [actor.fn.__module__ for actor in actors]
    periodic = [actor for actor in actors if "periodic" in actor.options]
    async with database.connection() as connection, connection.transaction():
        await connection.execute(schedules.LOCK_CATALOGUE)
        await connection.execute(schedules.REGISTER_FUNCTIONS, *_columns([_function(actor) for actor in actors], 8))
        await connection.execute(schedules.UNREGISTER_PERIODIC, [_id(actor) for actor in periodic], modules)
        await connection.execute(schedules.MISS_FUNCTIONS, names, modules)
        await connection.execute(schedules.REGISTER_PERIODIC, *_columns([_schedule(actor) for actor in periodic], 6))
        await connection.execute(schedules.REGISTER_TYPES, *_columns(_job_types(), 4))


def _columns(rows: list[tuple[Any, ...]], number: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(number)]


def _function(actor: Actor[Any, Any]) -> tuple[Any, ...]:
    defaults = {name: actor.options[name] for name in _DEFAULTS if name in actor.options}
    periodic = actor.options.get("periodic")
    return (
        actor.actor_name,
        actor.fn.__module__,
        actor.queue_name,
        actor.priority,
        inspect.getdoc(actor.fn) or "",
        orjson.dumps(signature_schema(actor)).decode(),
        orjson.dumps(defaults, default=str).decode(),
        None if periodic is None else str(periodic),
    )


def _schedule(actor: Actor[Any, Any]) -> tuple[Any, ...]:
    return (
        _id(actor),
        actor.actor_name,
        (inspect.getdoc(actor.fn) or "").partition("\n\n")[0],
        orjson.dumps({"expression": str(actor.options["periodic"])}).decode(),
        actor.options.get("misfire", "run_once"),
        float(actor.options.get("misfire_grace", MISFIRE_GRACE)),
    )


def _id(actor: Actor[Any, Any]) -> Any:
    return schedule_id_of(actor.actor_name)


def _job_types() -> list[tuple[Any, ...]]:
    return [
        (kind.name, kind.description, orjson.dumps(kind.config_schema).decode(), orjson.dumps(kind.example).decode())
        for kind in JOB_TYPES.values()
    ]


def signature_schema(actor: Actor[Any, Any]) -> dict[str, Any]:
    """JSON Schema (2020-12) of an actor's arguments, as an object by their names."""
    parameters = inspect.signature(actor.fn).parameters.values()
    hints = hints_of(actor)
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {
        "type": "object",
        "properties": {p.name: _property(p, hints.get(p.name, Any)) for p in named},
        "required": [p.name for p in named if p.default is p.empty],
        "additionalProperties": any(p.kind is p.VAR_KEYWORD for p in parameters),
    }


def hints_of(actor: Actor[Any, Any]) -> dict[str, Any]:
    """The types of its arguments by their names; none of those that cannot be told."""
    try:
        return typing.get_type_hints(inspect.unwrap(actor.fn))
    except (NameError, TypeError):  # names that exist for type checkers only
        return {}


def _property(parameter: inspect.Parameter, hint: Any) -> dict[str, Any]:
    try:
        schema = TypeAdapter(hint).json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError):  # a class of the actor's own: anything may be sent
        schema = {}
    if parameter.default is not parameter.empty and isinstance(parameter.default, str | int | float | None):
        schema = {**schema, "default": parameter.default}
    return schema
