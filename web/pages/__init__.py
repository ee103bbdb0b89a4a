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
    overview,
    queues,
    schedule_form,
    schedules,
    workers,
)

router = APIRouter(include_in_schema=False)
for page in (assets, live, login, overview, jobs, many, job, errors, schedule_form, schedules, queues, workers, actors):
    router.include_router(page.router)
