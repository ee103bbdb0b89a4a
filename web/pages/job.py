"""/jobs/ID: everything of one job, and what can be done to it."""

import difflib
import uuid
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form, Query, Request, Response

from db.models import Job
from errors import BadArguments, BadRequest, Conflict
from services import audit, control, explanation, jobs, kept, listing, logs, progress, related, search, submissions
from services.masking import MASK, masking
from services.schedules import lists
from web import edits
from web.caller import CurrentCaller
from web.pages import flash, traceback
from web.pages.job_log import Attempt, Level
from web.pages.rendering import render, wanted
from web.pages.timeline import timeline
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_LINES = 200
_RELATED = 20
_DONE = {
    "pause": "It is paused, or will be at its next checkpoint.", "resume": "It goes on.",
    "cancel": "It is cancelled, or will be in a moment.", "run_now": "It is due now.", "move": "It is moved.",
    "delete": "The job was deleted.",
}  # fmt: skip


@router.get("/jobs/{job_id}")
async def page(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    job_id: uuid.UUID,
    level: Level = None,
    text: Annotated[str, Query(max_length=200)] = "",
    attempt: Attempt = None,
    before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> Response:
    """`before` that attempt are those whose errors are shown; of the others the latest."""
    if text:
        caller.require_search_within()
    job = await jobs.get(session, job_id)
    latest = await jobs.attempts(session, job_id)
    attempts = await jobs.attempts(session, job_id, before=before) if before else latest
    values: dict[str, Any] = {
        "job": job,
        "state": search.shown_state(job),
        "attempts": attempts[::-1],
        "before": before,
        "older": attempts[0].attempt if len(attempts) == jobs.ATTEMPTS else None,
        "timeline": timeline(job, latest, is_whole=len(latest) < jobs.ATTEMPTS),
        "progress": await progress.get(session, job_id),
        "causes": await explanation.why(session, job_id),
        "tracebacks": await traceback.shown([tried.traceback for tried in attempts[::-1]], caller),
        "level": level,
        "text": text,
        "attempt": attempt,
    }
    if wanted(request) in (None, "logs"):
        only = logs.Filter(level=level, attempt=attempt, text=text or None)
        lines = await logs.tail(session, job_id, _LINES, only)
        values["lines"] = [replace(line, fields=masking().value(line.fields)) for line in lines]
    if wanted(request) is None:
        args, kwargs = masking().arguments(job.actor, job.args, job.kwargs)
        checkpoint = await kept.checkpoint(session, job_id)
        values |= {
            "args": args,
            "kwargs": kwargs,
            "takes_arguments": control.takes_arguments(job),
            "result": masking().value(job.result),
            "metadata": masking().value(await submissions.metadata(session, job_id)),
            "checkpoint": checkpoint,
            "kept": checkpoint and masking().value(checkpoint.data),
            "steps": [(one, masking().value(one.result, one.name)) for one in await kept.steps(session, job_id)],
            "children": await listing.children(session, job_id, _RELATED),
            "audit": await audit.of_job(session, job_id),
            "schedule": await lists.of_job(session, job_id),
            "related": await related.of(session, job),
            "host": await related.host_of(session, job.worker) if job.worker else None,
            "message": _message(job, args, kwargs),
            "copies": _copies(job, args, kwargs, str(request.base_url)),
        }
    return render(request, "job.html", **values)


@router.get("/jobs/{job_id}/edit")
async def edit(request: Request, session: Transaction, caller: CurrentCaller, job_id: uuid.UUID) -> Response:
    """The form for running it again, or a copy of it, with other arguments."""
    caller.require("operate")
    job = await jobs.get(session, job_id)
    args, kwargs = masking().arguments(job.actor, job.args, job.kwargs)
    return _form(request, job, _pretty(args), _pretty(kwargs))


@router.post("/jobs/{job_id}/edit")
async def edited(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    job_id: uuid.UUID,
    args: Annotated[str, Form(max_length=300_000)],
    kwargs: Annotated[str, Form(max_length=300_000)],
    way: Annotated[str, Form(pattern="^(checkpoint|start|copy)$")] = "checkpoint",
    reason: Annotated[str, Form(max_length=500)] = "",
    confirmed: Annotated[bool, Form()] = False,
) -> Response:
    """First what differs, then, once confirmed, the new run."""
    caller.require("operate")
    job = await jobs.get(session, job_id)
    try:
        arguments = edits.of_job(job, _read(args, list, "args"), _read(kwargs, dict, "kwargs"))
        if not confirmed:
            control.check_arguments(job, arguments)
            return _form(request, job, args, kwargs, way=way, reason=reason, difference=_difference(job, args, kwargs))
        async with session.begin_nested():
            if way == "copy":
                again = await control.copy(session, job_id, who=caller.name, reason=reason or None, arguments=arguments)
                return flash.redirect(f"/jobs/{again.id}", "This is the copy.")
            retried = await control.retry(
                session, job_id, who=caller.name, reason=reason or None, arguments=arguments, from_start=way == "start"
            )
    except (BadRequest, Conflict) as error:
        path = error.path if isinstance(error, BadArguments) else ""
        return _form(request, job, args, kwargs, way=way, reason=reason, wrong=(path, str(error)))
    return flash.redirect(f"/jobs/{retried.id}", "It is queued again with these arguments.")


@router.post("/jobs/{job_id}/{verb}")
async def act(
    session: Transaction,
    caller: CurrentCaller,
    job_id: uuid.UUID,
    verb: control.Verb,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Pause, resume, cancel, run now, delete, or retry with the same arguments. Where to move it is asked for first."""
    caller.require("operate")
    here = f"/jobs/{job_id}"
    try:
        async with session.begin_nested():
            if verb is control.Verb.RETRY:
                again = await control.retry(session, job_id, who=caller.name, reason=reason or None)
                return flash.redirect(f"/jobs/{again.id}", "It is queued again.")
            await control.act(session, verb, job_id, who=caller.name, reason=reason or None)
    except (Conflict, BadArguments) as error:
        return flash.redirect(here, str(error), bad=True)
    return flash.redirect("/jobs" if verb is control.Verb.DELETE else here, _DONE[verb])


def _form(
    request: Request,
    job: Job,
    args: str,
    kwargs: str,
    *,
    way: str = "checkpoint",
    reason: str = "",
    wrong: tuple[str, str] | None = None,
    difference: list[str] | None = None,
) -> Response:
    return render(
        request, "jobs/edit.html", status=422 if wrong else 200, job=job, args=args, kwargs=kwargs, way=way,
        reason=reason, wrong=wrong, difference=difference, mask=MASK,
    )  # fmt: skip


def _read(text: str, kind: type[Any], name: str) -> Any:
    """Raises BadArguments, its path naming the field."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadArguments(f"{name} is not JSON: {error}.", name) from None
    if not isinstance(value, kind):
        raise BadArguments(f"{name} must be a JSON {'array' if kind is list else 'object'}.", name)
    return value


def _difference(job: Job, args: str, kwargs: str) -> list[str]:
    before = masking().arguments(job.actor, job.args, job.kwargs)
    old = [*_pretty(before[0]).splitlines(), *_pretty(before[1]).splitlines()]
    new = [*_pretty(orjson.loads(args)).splitlines(), *_pretty(orjson.loads(kwargs)).splitlines()]
    return list(difflib.unified_diff(old, new, "before", "now", lineterm="", n=2))[2:]


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _message(job: Job, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    found = jobs.message(job)
    return found | {"args": args, "kwargs": kwargs, "options": masking().value(found["options"])}


def _copies(job: Job, args: list[Any], kwargs: dict[str, Any], base: str) -> dict[str, str]:
    """The job as others would make it, and as one would report it."""
    body = _pretty({"actor": job.actor, "args": args, "kwargs": kwargs, "queue": job.queue})
    call = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
    error = f"{job.error['type']}: {masking().text(job.error['message'])}" if job.error else "none"
    return {
        "curl": f"curl -X POST {base}api/v1/jobs -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' "
        f"-d '{body.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'",
        "Python": f"await jobs.enqueue(session, {job.actor}, {call})",
        "Markdown": f"**{job.actor}** `{job.id}`\n\n- state: {job.state}\n- queue: {job.queue}\n"
        f"- attempt: {job.attempt}\n- error: {error}\n\n```json\n{_pretty({'args': args, 'kwargs': kwargs})}\n```\n",
    }
