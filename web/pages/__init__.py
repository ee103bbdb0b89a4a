"""The console: what people see. One file per page; a page asks services and renders a template."""

from fastapi import APIRouter

from web.pages import (
    actors,
    assets,
    attention,
    backfill,
    between,
    email_resending,
    emails,
    endpoints,
    errors,
    export,
    glance,
    job,
    job_log,
    jobs,
    limits,
    live,
    login,
    many,
    oidc,
    overview,
    purge,
    queues,
    schedule_form,
    schedules,
    settings,
    suggestions,
    views,
    webhook_trials,
    webhooks,
    workers,
    workflows,
)

router = APIRouter(include_in_schema=False)
# Those with fixed words before those with an id in the same place.
for page in (
    assets, live, login, oidc, attention, overview, jobs, many, export, views, suggestions, between, job, job_log,
    glance, errors, schedule_form, backfill, schedules, workflows, queues, purge, workers, email_resending, emails,
    webhooks, webhook_trials, endpoints, actors, limits, settings,
):  # fmt: skip
    router.include_router(page.router)
