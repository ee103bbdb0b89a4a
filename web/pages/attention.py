"""/attention: the strip on top of every page, for when nothing runs that should."""

from fastapi import APIRouter, Request, Response

from runtime.client import Client
from services import overview
from services.overview import Alarm
from web.pages.rendering import render
from web.route import TimedRoute
from web.shared import Shared

router = APIRouter(route_class=TimedRoute)

_alarms: Shared[Alarm] = Shared(seconds=5)


@router.get("/attention")
async def strip(request: Request) -> Response:
    """Empty as long as all is well."""
    client: Client = request.app.state.client
    alarm = await _alarms.get(client, lambda: _look(client))
    return render(request, "attention.html", alarm=alarm, most_unserved=overview.UNSERVED)


async def _look(client: Client) -> Alarm:
    async with client.session() as session:
        return await overview.alarm(session)
