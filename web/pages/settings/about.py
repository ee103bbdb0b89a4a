"""/settings/about: versions, the store's size, health, licences. For everybody who is signed in (web/rules.py)."""

from dataclasses import dataclass
from functools import cache

import orjson
from fastapi import APIRouter, Request, Response

from runtime.client import Client
from services import about, health
from web.pages.assets import FOLDER
from web.pages.rendering import render
from web.route import TimedRoute
from web.shared import Shared
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_LARGEST = 12  # tables
_CHANGES = 5

_read: Shared[about.About] = Shared(seconds=10)


@dataclass(frozen=True)
class Vendored:
    """A file of somebody else's that pages load."""

    file: str
    package: str
    version: str
    path: str  # within the package
    licence: str
    sha256: str


@cache
def vendored() -> list[Vendored]:
    """As the manifest has them."""
    return [Vendored(**entry) for entry in orjson.loads((FOLDER / "vendor" / "manifest.json").read_bytes())]


@router.get("/settings/about")
async def page(request: Request, session: Transaction) -> Response:
    client: Client = request.app.state.client
    found = await _read.get(client, lambda: about.about(client))
    return render(
        request, "settings/about.html", about=found, largest=found.tables[:_LARGEST],
        latest=await health.latest(session), changes=await health.page(session, limit=_CHANGES, changes=True),
        vendored=vendored(),
    )  # fmt: skip
