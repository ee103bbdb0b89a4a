"""/workers/ID: what a worker process runs, and what it ended last."""

import uuid
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from errors import NotFound
from services import workers
from settings import Settings
from web.pages.rendering import render, wanted
from web.transaction import Transaction

router = APIRouter()

_RUNNING, _ENDED = 200, 50


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
    if wanted(request) in (None, "ended") or worker_id not in living:
        values["ended"] = await workers.ended_on(session, worker_id, _ENDED)
        if worker_id not in living and not values["ended"]:
            raise NotFound(f"There is no worker {worker_id}, and none of the jobs that ended lately was ended by it.")
    return render(request, "queues/worker.html", **values)
