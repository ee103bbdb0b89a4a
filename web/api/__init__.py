"""The JSON API, under /api/v1."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from web.api import emails, jobs
from web.problem import described

PREFIX = "/api/v1"
DESCRIPTION = f"{PREFIX}/openapi.json"

router = APIRouter(
    prefix=PREFIX,
    # Only describes it; `web.access` asks for a key or a session before anything here runs.
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses=described(401, 403, 422, 429, 500, 503),
)
router.include_router(jobs.router)
router.include_router(emails.router)
