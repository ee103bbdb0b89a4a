"""/queues: queues and who works on them; /queues/NAME: one of them."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from errors import BadArguments, Conflict
from runtime.client import Client
from services import actors, limits, queues, statistics, workers
from settings import Settings
from web.caller import CurrentCaller
from web.pages import charts, flash, pausing
from web.pages.names import Name
from web.pages.overview import PERIODS, Period
from web.pages.query import quoted
from web.pages.rendering import render, wanted
from web.route import TimedRoute
from web.shared import Shared
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_OLDEST = 20
_LIMITED, _KEYS = 10, 5  # actors whose limits are shown, and keys of each
_NO_FLOW = queues.Flow()

_flows: Shared[dict[str, queues.Flow]] = Shared(seconds=3)


@router.get("/queues")
async def page(request: Request, session: Transaction) -> Response:
    return render(
        request, "queues.html", queues=await queues.listed(session), workers=await workers.living(session),
        lost=await workers.lost(session), flows=await _flow(request), no_flow=_NO_FLOW, lease=_lease(request),
    )  # fmt: skip


@router.get("/queues/{name}")
async def one(
    request: Request, session: Transaction, name: Name, period: Annotated[Period, Query()] = "1h"
) -> Response:
    values: dict[str, Any] = {
        "queue": await queues.get(session, name), "period": period, "periods": list(PERIODS), "lease": _lease(request),
    }  # fmt: skip
    if wanted(request) in (None, "now"):
        values |= await _now(session, name) | {"flow": (await _flow(request)).get(name, _NO_FLOW)}
    if wanted(request) in (None, "limits"):
        values |= await _limits(session, name)
    if wanted(request) in (None, "charts"):
        points = await statistics.throughput(session, PERIODS[period], queue=name)
        values["throughput"] = charts.throughput(points, f"queue:{quoted(name)}")
    return render(request, "queues/queue.html", **values)


async def _now(session: AsyncSession, name: Name) -> dict[str, Any]:
    declared = {actor.name: actor for actor in await actors.listed(session)}
    shares = {share.actor: share for share in await queues.by_actor(session, name)}
    idle = [actor for actor in declared.values() if actor.queue == name and actor.name not in shares]
    return {
        "shares": [*shares.values(), *(queues.Share(actor.name, 0, 0, 0, 0) for actor in idle)],
        "declared": declared,
        "oldest": await queues.oldest(session, name, _OLDEST),
        "consumers": [worker for worker in await workers.living(session) if name in worker.queues],
    }


async def _limits(session: AsyncSession, name: Name) -> dict[str, Any]:
    """Those of the actors that are declared for the queue."""
    limited = [actor for actor in await actors.listed(session) if actor.queue == name and actor.limits][:_LIMITED]
    in_use = [(actor.name, limit) for actor in limited for limit in await limits.of_actor(session, actor.name, _KEYS)]
    return {"limited": limited, "limits": in_use}


@router.get("/queues/{name}/pause")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    """Ask why, and for how long."""
    caller.require("operate")
    return pausing.question(request, "queue", name, _effect(await queues.get(session, name)))


@router.post("/queues/{name}/pause")
async def pause(
    request: Request, session: Transaction, caller: CurrentCaller, name: Name, typed: pausing.Asked
) -> Response:
    caller.require("operate")
    queue = await queues.get(session, name)
    try:
        until = await queues.pause(session, name, who=caller.name, reason=typed.reason, span=typed.span())
    except BadArguments as error:
        return pausing.question(request, "queue", name, _effect(queue), typed, error)
    except Conflict as error:
        return flash.redirect(f"/queues/{name}", str(error), bad=True)
    end = "that is over" if until else "it is resumed"
    return flash.redirect(f"/queues/{name}", f"It is paused: nothing of it is started until {end}.")


@router.post("/queues/{name}/resume")
async def resume(session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("operate")
    try:
        await queues.resume(session, name, who=caller.name)
    except Conflict as error:
        return flash.redirect("/queues", str(error), bad=True)
    return flash.redirect(f"/queues/{name}", "It goes on.")


def _effect(queue: queues.Queue) -> pausing.Effect:
    return pausing.Effect(queue.due + queue.later, queue.is_capped, queue.running)


async def _flow(request: Request) -> dict[str, queues.Flow]:
    """Read once for all that look at the same time."""
    client: Client = request.app.state.client

    async def read() -> dict[str, queues.Flow]:
        async with client.session() as session:
            return await queues.flows(session)

    return await _flows.get("flows", read)


def _lease(request: Request) -> timedelta:
    """After such a silence a worker is given up."""
    settings: Settings = request.app.state.settings
    return timedelta(seconds=settings.worker_lease)
