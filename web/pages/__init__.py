"""The console: what people see. One file per page; a page asks services and renders a template."""

from fastapi import APIRouter

from web.pages import (
    actors,
    assets,
    errors,
    job,
    jobs,
    live,
    login,
    many,
    oidc,
    overview,
    queues,
    schedule_form,
    schedules,
    workers,
    workflows,
)

PAGES = (
    assets, live, login, oidc, overview, jobs, many, job, errors, schedule_form, schedules, workflows, queues, workers,
    actors,
)  # fmt: skip

router = APIRouter(include_in_schema=False)
for page in PAGES:
    router.include_router(page.router)
