"""The JSON API, under /api/v1."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from web.api import actions, audit, dead_letters, job, jobs, keys, me, stats, users
from web.problem import described
from web.rules import API

PREFIX = API
DESCRIPTION = f"{PREFIX}/openapi.json"

router = APIRouter(
    prefix=PREFIX,
    # Only describes it; `web.access` asks for a key or a session before anything here runs.
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses=described(401, 403, 422, 429, 500, 503),
)
# Those with fixed words before those with an id in the same place.
for part in (actions, jobs, job, dead_letters, stats, audit, users, keys, me):
    router.include_router(part.router)
