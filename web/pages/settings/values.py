"""/settings/values: what is set."""

from fastapi import APIRouter, Request, Response

from services import shown
from settings import Settings
from web.pages.rendering import render
from web.route import TimedRoute

router = APIRouter(route_class=TimedRoute)


@router.get("/settings/values")
async def page(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    return render(request, "settings/values.html", values=shown.listed(settings))
