"""The console: what people see. One file per page; a page asks services and renders a template."""

from fastapi import APIRouter

from web.pages import actors, assets, errors, job, jobs, live, login, many, oidc, overview, queues, settings, workers

router = APIRouter(include_in_schema=False)
for page in (assets, live, login, oidc, overview, jobs, many, job, errors, queues, workers, actors, settings):
    router.include_router(page.router)
