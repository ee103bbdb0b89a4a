"""The JSON API, under /api/v1."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from web.api import (
    about,
    actions,
    audit,
    dead_letters,
    emails,
    errors,
    health_checks,
    job,
    job_logs,
    jobs,
    keys,
    limits,
    me,
    queues,
    scheduler,
    stats,
    users,
    webhooks,
    workflows,
)
from web.problem import described
from web.rules import API

PREFIX = API
DESCRIPTION = f"{PREFIX}/openapi.json"
# Bytes of a body, by address; a mail's files are base64.
LARGER = {f"{PREFIX}/jobs/bulk": 8 * 1024 * 1024, f"{PREFIX}/emails": 16 * 1024 * 1024}

router = APIRouter(
    prefix=PREFIX,
    # Only describes it; `web.access` asks for a key or a session before anything here runs.
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses=described(401, 403, 413, 422, 429, 500, 503),
)
# Those with fixed words before those with an id in the same place.
PARTS = (
    actions,
    jobs,
    job,
    job_logs,
    dead_letters,
    queues,
    limits,
    workflows,
    webhooks,
    scheduler,
    emails,
    errors,
    stats,
    health_checks,
    audit,
    users,
    keys,
    me,
    about,
)
for part in PARTS:
    router.include_router(part.router)
