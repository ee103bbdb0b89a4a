"""/settings/values: what is set, and how long things are kept."""

from fastapi import APIRouter, Request, Response

from runtime.client import Client
from services import listing, shown
from settings import Settings
from web.pages.rendering import render
from web.route import TimedRoute
from web.shared import Shared

router = APIRouter(route_class=TimedRoute)

_counts: Shared[listing.Counts] = Shared(seconds=10)


@router.get("/settings/values")
async def page(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    client: Client = request.app.state.client
    counts = await _counts.get("counts", lambda: _count(client))
    kept = [
        ("succeeded", settings.retention_succeeded_days, counts.succeeded),
        ("failed", settings.retention_failed_days, counts.failed),
        ("cancelled", settings.retention_cancelled_days, counts.cancelled),
    ]
    return render(request, "settings/values.html", values=shown.listed(settings), kept=kept, cap=listing.CAP)


async def _count(client: Client) -> listing.Counts:
    async with client.session() as session:
        return await listing.counts(session)
