"""/settings/retention: how long what is kept, what that costs, and whether it is being deleted."""

from fastapi import APIRouter, Request, Response

from runtime.client import Client
from services import retention
from settings import Settings
from web.pages.rendering import render
from web.route import TimedRoute
from web.shared import Shared

router = APIRouter(route_class=TimedRoute)

_read: Shared[retention.Retention] = Shared(seconds=10)


@router.get("/settings/retention")
async def page(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    client: Client = request.app.state.client
    found = await _read.get(client, lambda: _retention(client, settings))
    return render(request, "settings/retention.html", retention=found, scheduler=retention.SCHEDULER)


async def _retention(client: Client, settings: Settings) -> retention.Retention:
    async with client.session() as session:
        return await retention.retention(session, settings)
