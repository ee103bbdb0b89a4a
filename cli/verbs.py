"""`callboard jobs pause|resume|cancel|retry|run-now|move|delete|copy`: to jobs by id, or to all that fit a filter."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import orjson
import typer
from rich.console import Console

from cli.confirm import Yes, confirm
from cli.filters import describe, filtered
from cli.output import AsJson, print_json
from cli.session import run
from cli.values import json_object
from cli.who import who
from errors import BadArguments, BadRequest, CallboardError
from runtime.client import Client
from runtime.enqueue import Enqueued
from services import bulk, control, jobs
from services.control import AS_IT_IS, Arguments, Place, Verb
from services.search import Count, Filter

JobIds = Annotated[
    list[UUID] | None,
    typer.Argument(help="The jobs' ids; or say which by the options.", show_default=False, metavar="[JOB]..."),
]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept in the audit.", show_default=False)]
FromStart = Annotated[bool, typer.Option("--from-start", help="Forget its checkpoint and its steps' results.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count those that fit.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until all that fit have been gone through.")]

_HELP = {
    Verb.PAUSE: "Pause: at once what waits, at its next checkpoint what runs.",
    Verb.RESUME: "Go on with paused jobs, from their checkpoints.",
    Verb.CANCEL: "Cancel: at once and for good what waits; what runs is interrupted.",
    Verb.RUN_NOW: "Make jobs due that are scheduled for later.",
    Verb.DELETE: "Delete jobs that have ended, with all that was kept of them.",
}
_DONE = {
    Verb.PAUSE: "is paused", Verb.RESUME: "is queued again", Verb.CANCEL: "is cancelled",
    Verb.RETRY: "is queued again", Verb.RUN_NOW: "is due", Verb.MOVE: "is moved", Verb.DELETE: "is deleted",
}  # fmt: skip
_UNDER_WAY = {
    Verb.PAUSE: "runs, and pauses at its next checkpoint or pause point", Verb.CANCEL: "runs, and is interrupted now",
    Verb.RESUME: "runs, and goes on",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    for verb in _HELP:
        app.command(verb.replace("_", "-"), help=_HELP[verb])(_command(verb))
    app.command("retry")(retry)
    app.command("move")(move)
    app.command("copy")(copy)


def _command(verb: Verb) -> Callable[..., None]:
    @filtered
    def command(
        only: Filter,
        job_ids: JobIds = None,
        reason: Reason = None,
        dry_run: DryRun = False,
        yes: Yes = False,
        wait: Wait = False,
        as_json: AsJson = False,
    ) -> None:
        if _is_bulk(job_ids, only, dry_run, wait):
            act_on_all(verb, only, reason, dry_run=dry_run, yes=yes, wait=wait, as_json=as_json)
        else:
            _act_on_each(verb, job_ids or [], reason, as_json)

    return command


@filtered
def retry(
    only: Filter,
    job_ids: JobIds = None,
    kwargs: Annotated[
        str | None,
        typer.Option(help="Other arguments, all by name, as a JSON object; for one job.", show_default=False),
    ] = None,
    from_start: FromStart = False,
    reason: Reason = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run failed or cancelled jobs again, from their checkpoints."""
    retry_these(only, job_ids, kwargs, from_start, reason, dry_run, yes, wait, as_json)


def retry_these(
    only: Filter,
    job_ids: list[UUID] | None,
    kwargs: str | None,
    from_start: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    if _is_bulk(job_ids, only, dry_run, wait):
        if kwargs is not None:
            raise BadRequest("--kwargs is for one job: name it by its id.")
        act_on_all(
            Verb.RETRY, only, reason, from_start=from_start, dry_run=dry_run, yes=yes, wait=wait, as_json=as_json
        )
        return
    arguments = None if kwargs is None else Arguments([], json_object(kwargs, "kwargs"))

    async def act(client: Client, job_id: UUID) -> str | None:
        async with client.session() as session:
            job = await control.retry(
                session, job_id, who=who(), reason=reason, arguments=arguments, from_start=from_start
            )
            await session.commit()
            return job.state

    _each(Verb.RETRY, job_ids or [], act, as_json)


@filtered
def move(
    only: Filter,
    job_ids: JobIds = None,
    to_queue: Annotated[str | None, typer.Option(help="The queue that they are to be in.", show_default=False)] = None,
    to_priority: Annotated[
        int | None,
        typer.Option(min=-32768, max=32767, help="The priority; lower runs first.", show_default=False),
    ] = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Put jobs that have not been started into another queue, or give them another priority."""
    to = Place(to_queue, to_priority)
    control.check_place(to)
    if _is_bulk(job_ids, only, dry_run, wait):
        act_on_all(Verb.MOVE, only, reason, to=to, dry_run=dry_run, yes=yes, wait=wait, as_json=as_json)
    else:
        _act_on_each(Verb.MOVE, job_ids or [], reason, as_json, to)


def copy(
    job_id: Annotated[UUID, typer.Argument(show_default=False, metavar="JOB")],
    kwargs: Annotated[
        str | None, typer.Option(help="Other arguments, all by name, as a JSON object.", show_default=False)
    ] = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """A new job like that one, whatever has become of it; with its arguments or others."""
    arguments = None if kwargs is None else Arguments([], json_object(kwargs, "kwargs"))

    async def command(client: Client) -> Enqueued:
        async with client.session() as session:
            made = await control.copy(session, job_id, who=who(), reason=reason, arguments=arguments)
            await session.commit()
            return made

    made = run(command)
    print_json({"id": made.id}) if as_json else typer.echo(made.id)


def _is_bulk(job_ids: list[UUID] | None, only: Filter, dry_run: bool, wait: bool) -> bool:
    if job_ids and describe(only):
        raise BadRequest("Name jobs by their ids, or say which by options: not both.")
    if not job_ids and not describe(only):
        raise BadArguments("Which jobs? Name their ids, or say by options: --state failed --actor send_email.", "job")
    if job_ids and dry_run:
        raise BadRequest("--dry-run counts the jobs that options choose. See one by its id: callboard jobs show ID.")
    if job_ids and wait:
        raise BadRequest("--wait is for the jobs that options choose. Wait for one by its id: callboard jobs wait ID.")
    return not job_ids


def _act_on_each(verb: Verb, job_ids: list[UUID], reason: str | None, as_json: bool, to: Place = AS_IT_IS) -> None:
    async def act(client: Client, job_id: UUID) -> str | None:
        async with client.session() as session:
            job = await control.act(session, verb, job_id, who=who(), reason=reason, to=to)
            await session.commit()
            return job.state if job is not None else None

    _each(verb, job_ids, act, as_json)


def _each(verb: Verb, job_ids: list[UUID], act: Callable[[Client, UUID], Awaitable[str | None]], as_json: bool) -> None:
    """Each in a transaction of its own. One that is refused does not keep the others; the first refusal decides the
    exit code."""

    async def command(client: Client) -> dict[UUID, str | CallboardError | None]:
        done: dict[UUID, str | CallboardError | None] = {}
        for job_id in job_ids:
            try:
                done[job_id] = await act(client, job_id)
            except CallboardError as error:
                done[job_id] = error
        return done

    done = run(command)
    refusals = [answer for answer in done.values() if isinstance(answer, CallboardError)]
    if as_json:
        print_json([_document(job_id, answer) for job_id, answer in done.items()])
    for job_id, answer in done.items():
        if not isinstance(answer, CallboardError) and not as_json:
            is_under_way = answer == "running"
            typer.echo(f"Job {job_id} {_UNDER_WAY[verb] if is_under_way else _DONE[verb]}.")
    for refusal in refusals[1:]:
        Console(stderr=True).print(str(refusal), style="red", markup=False, highlight=False, soft_wrap=True)
    if refusals:
        raise refusals[0]


def _document(job_id: UUID, answer: str | CallboardError | None) -> dict[str, object]:
    if isinstance(answer, CallboardError):
        return {"id": job_id, "done": False, "error": str(answer)}
    return {"id": job_id, "done": True, "state": answer}


def act_on_all(
    verb: Verb,
    only: Filter,
    reason: str | None,
    *,
    from_start: bool = False,
    to: Place = AS_IT_IS,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Count, ask, start the job that does it."""
    count = run(lambda client: _preview(client, only))
    if dry_run:
        print_json({"jobs": count.jobs, "is_exact": count.is_exact}) if as_json else typer.echo(f"{count} fit.")
        return
    confirm(f"{verb.replace('_', ' ').capitalize()}: {describe(only)}. {count} fit. Go on?", yes)

    async def command(client: Client) -> tuple[UUID, object]:
        async with client.session() as session:
            made = await bulk.start(
                session, verb, only, who=who(), reason=reason, from_start=from_start, to=to, total=count.jobs
            )
            await session.commit()
        return made.id, (await jobs.wait(client, made.id) if wait else None)

    job_id, result = run(command)
    if as_json:
        print_json({"id": job_id, "jobs": count.jobs, "is_exact": count.is_exact, "result": result})
    elif wait:
        typer.echo(orjson.dumps(result))
    else:
        typer.echo(f"Job {job_id} does it. Watch it: callboard jobs watch {job_id}")


async def _preview(client: Client, only: Filter) -> Count:
    async with client.session() as session:
        return await bulk.preview(session, only)
