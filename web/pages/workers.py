"""/workers/ID: what a worker process runs, and what failed on it and ended last; draining it."""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from errors import BadArguments, Conflict, NotFound
from services import workers
from services.workers import LivingWorker
from settings import Settings
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.rendering import render, wanted
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_RUNNING, _FAILED, _ENDED = 200, 20, 50


@router.get("/workers/{worker_id}")
async def page(request: Request, session: Transaction, worker_id: uuid.UUID) -> Response:
    """Of a worker that is gone there is what it ended."""
    settings: Settings = request.app.state.settings
    living = {worker.id: worker for worker in await workers.living(session)}
    values: dict[str, Any] = {
        "id": worker_id,
        "worker": living.get(worker_id),
        "running": await workers.running_on(session, worker_id, _RUNNING),
        "lease": timedelta(seconds=settings.worker_lease),
    }
    if wanted(request) in (None, "failed") or worker_id not in living:
        values["failed"] = await workers.failed_on(session, worker_id, _FAILED)
    if wanted(request) in (None, "ended") or worker_id not in living:
        values["ended"] = await workers.ended_on(session, worker_id, _ENDED)
        if worker_id not in living and not values["ended"] and not values["failed"]:
            raise NotFound(f"There is no worker {worker_id}, and none of the jobs that ended lately was ended by it.")
    return render(request, "queues/worker.html", **values)


@router.get("/workers/{worker_id}/drain")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, worker_id: uuid.UUID) -> Response:
    """Ask for the reason."""
    caller.require("operate")
    return _question(request, await workers.get(session, worker_id))


@router.post("/workers/{worker_id}/drain")
async def drain(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    worker_id: uuid.UUID,
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    caller.require("operate")
    worker = await workers.get(session, worker_id)
    try:
        await workers.drain(session, worker_id, who=caller.name, reason=reason)
    except BadArguments as error:
        return _question(request, worker, reason, str(error))
    except Conflict as error:
        return flash.redirect(f"/workers/{worker_id}", str(error), bad=True)
    return flash.redirect(f"/workers/{worker_id}", "It drains: it takes nothing more, and ends what it runs.")


@router.post("/workers/{worker_id}/resume")
async def go_on(session: Transaction, caller: CurrentCaller, worker_id: uuid.UUID) -> Response:
    caller.require("operate")
    try:
        await workers.go_on(session, worker_id, who=caller.name)
    except Conflict as error:
        return flash.redirect(f"/workers/{worker_id}", str(error), bad=True)
    return flash.redirect(f"/workers/{worker_id}", "It takes jobs again.")


def _question(request: Request, worker: LivingWorker, reason: str = "", wrong: str = "") -> Response:
    return render(request, "queues/drain.html", status=422 if wrong else 200, worker=worker, reason=reason, wrong=wrong)
