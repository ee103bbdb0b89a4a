"""The options that say which jobs are meant, the same for every command that takes many."""

import functools
import inspect
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.times import past
from errors import BadArguments
from services.search import Filter, Position

_TIMES = ("created_after", "created_before", "finished_after", "finished_before")
_WHEN = "A time, or how long ago: 2026-11-25T09:30, 2h."


def _option(help_: str) -> Any:
    return Annotated[str | None, typer.Option(help=help_, show_default=False, rich_help_panel="Which jobs")]


# Fields whose option has another name.
_NAMED = {"tags": "tag", "parent_id": "parent", "workflow_id": "workflow", "schedule_id": "schedule"}
OPTIONS: dict[str, Any] = {
    "state": _option(
        "waiting, queued, running, paused, succeeded, failed, cancelled; or scheduled, retrying, cancelling, pausing,"
        " stalled."
    ),
    "actor": _option("Of this actor."),
    "queue": _option("In this queue."),
    "owner": _option("Enqueued by."),
    "tags": Annotated[
        list[str] | None,
        typer.Option("--tag", help="With this tag; several: with all of them.", rich_help_panel="Which jobs"),
    ],
    "parent_id": Annotated[
        str | None, typer.Option("--parent", help="Made by this job.", show_default=False, rich_help_panel="Which jobs")
    ],
    "workflow_id": Annotated[
        str | None, typer.Option("--workflow", help="A step of this workflow.", rich_help_panel="Which jobs")
    ],
    "schedule_id": Annotated[
        str | None, typer.Option("--schedule", help="A run of this schedule.", rich_help_panel="Which jobs")
    ],
    "worker": _option("Run or ended by this worker."),
    "unique_key": _option("With this unique key."),
    "error_type": _option("Whose latest error is of this class."),
    "error": _option("Whose latest error's message has this text."),
    "arguments": _option("Whose arguments, as JSON, have this text."),
    **dict.fromkeys(_TIMES, _option(_WHEN)),
}


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each of these; it gets them together as `only`."""

    @functools.wraps(command)
    def with_filter(**given: Any) -> None:
        values = {name: given.pop(name) for name in OPTIONS}
        command(only=read(values), **given)

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "only"]
    which = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
             for name, kind in OPTIONS.items()]  # fmt: skip
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *which]
    vars(with_filter)["__signature__"] = inspect.Signature(parameters)  # what Typer reads
    with_filter.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_filter


def read(values: dict[str, Any]) -> Filter:
    """The filter that these options mean. Raises BadArguments, naming the wrong one."""
    given = {name: value for name, value in values.items() if value}
    for name in given.keys() & set(_TIMES):
        given[name] = past(given[name], name.replace("_", "-"))
    try:
        return Filter.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        option = _NAMED.get(name, name.replace("_", "-"))
        raise BadArguments(f"--{option} {values.get(name)!r}: {first['msg']}.", name) from None


def describe(only: Filter) -> str:
    """`state=failed actor=send_email`."""
    given = only.model_dump(mode="json", exclude_defaults=True)
    return " ".join(f"{name}={value}" for name, value in given.items())


def word(position: Position) -> str:
    """A position as one word, for the next page."""
    return f"{position.at.isoformat()}/{position.id}"


def position(text: str) -> Position:
    """Raises BadArguments for what no page gave out."""
    at, _, job_id = text.partition("/")
    try:
        return Position(datetime.fromisoformat(at).astimezone(), uuid.UUID(job_id))
    except (ValueError, OverflowError):
        raise BadArguments("--before is not what a page ended with. Send that, or leave it out.", "before") from None
