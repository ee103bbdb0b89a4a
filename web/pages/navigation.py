"""The console's pages, in the order of the rail."""

from typing import NamedTuple

from services.callers import Scope


class Page(NamedTuple):
    path: str
    title: str
    icon: str  # an argument of `ui.icon`
    key: str  # `g` and this letter go there
    scope: Scope = "read"  # what it takes to see it


PAGES = (
    Page("/", "Overview", "overview", "o"),
    Page("/jobs", "Jobs", "jobs", "j"),
    Page("/errors", "Errors", "errors", "e"),
    Page("/schedules", "Schedules", "schedules", "s"),
    Page("/workflows", "Workflows", "workflows", "w"),
    Page("/queues", "Queues", "queues", "q"),
    Page("/deliveries", "Deliveries", "deliveries", "d"),
    Page("/actors", "Actors", "actors", "a"),
    Page("/settings", "Settings", "settings", "t", "admin"),
)
