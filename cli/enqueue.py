"""`callboard enqueue`."""

from typing import Annotated, Any

import typer

from cli.output import AsJson, print_json
from cli.session import run
from cli.times import duration, moment
from cli.values import json_object, json_or_text
from cli.who import who
from errors import BadArguments
from runtime.client import Client
from services import audit, jobs
from services.jobs import Enqueued, Options


def enqueue(
    actor: Annotated[str, typer.Argument(help="The name of an actor in actors/.", show_default=False)],
    arg: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, several times; a value that is JSON is taken as such.", show_default=False),
    ] = None,
    kwargs: Annotated[
        str | None, typer.Option(help="All arguments by name, as a JSON object.", show_default=False)
    ] = None,
    in_: Annotated[str | None, typer.Option("--in", help="So much later: 10s, 2h.", show_default=False)] = None,
    at: Annotated[str | None, typer.Option(help="Not before: 2026-11-25T09:30.", show_default=False)] = None,
    queue: Annotated[str | None, typer.Option(help="Instead of the actor's.", show_default=False)] = None,
    priority: Annotated[int | None, typer.Option(help="Lower runs first.", show_default=False)] = None,
    max_retries: Annotated[int | None, typer.Option(help="Instead of the actor's.", show_default=False)] = None,
    unique_key: Annotated[
        str | None, typer.Option(help="While a job with this key lives, no second is made.", show_default=False)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="To find it by; several times.", show_default=False)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; prints its result.")] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a job. With --wait: exit code 7 if it fails, 8 if it is cancelled, 9 if it has not ended in time."""
    arguments = _arguments(arg or [], kwargs)
    options = Options(
        queue=queue,
        priority=priority,
        delay=None if in_ is None else duration(in_, "in"),
        run_at=None if at is None else moment(at, "at"),
        max_retries=max_retries,
        unique_key=unique_key,
        owner=who(),
        tags=tag or (),
    )

    async def command(client: Client) -> tuple[Enqueued, Any]:
        async with client.session() as session:
            enqueued = await jobs.enqueue_by_name(session, actor, [], arguments, options)
            if enqueued.created:
                audit.note(session, who(), "job.enqueue", job_id=enqueued.id, target=actor)
            await session.commit()
        if not wait:
            return enqueued, None
        return enqueued, await jobs.wait(client, enqueued.id, timeout)

    enqueued, result = run(command)
    document = {"id": enqueued.id, "created": enqueued.created, **({"result": result} if wait else {})}
    if as_json:
        print_json(document)
    elif wait:
        print_json(result)
    else:
        typer.echo(enqueued.id)
        if not enqueued.created:
            typer.echo("It was there already: a job with this unique key lives.", err=True)


def _arguments(pairs: list[str], kwargs: str | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {} if kwargs is None else json_object(kwargs, "kwargs")
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadArguments(f"--arg {pair!r} is not NAME=VALUE.", "arg")
        if name in arguments:
            raise BadArguments(f"The argument {name!r} is given twice.", name)
        arguments[name] = json_or_text(text)
    return arguments
