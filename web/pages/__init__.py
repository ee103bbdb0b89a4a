"""The console: what people see. One file per page; a page asks services and renders a template."""

from fastapi import APIRouter

from web.pages import (
    assets,
    emails,
    endpoints,
    errors,
    job,
    jobs,
    live,
    login,
    many,
    oidc,
    overview,
    queues,
    webhooks,
    workers,
)

router = APIRouter(include_in_schema=False)
for page in (
    assets, live, login, oidc, overview, jobs, many, job, errors, queues, workers, emails, webhooks, endpoints,
):  # fmt: skip
    router.include_router(page.router)
