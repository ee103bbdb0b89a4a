"""The console's pages, in the order of the rail."""

from typing import NamedTuple


class Page(NamedTuple):
    path: str
    title: str
    icon: str  # an argument of `ui.icon`
    key: str  # `g` and this letter go there


PAGES = (
    Page("/", "Overview", "overview", "o"),
    Page("/jobs", "Jobs", "jobs", "j"),
    Page("/errors", "Errors", "errors", "e"),
    Page("/schedules", "Schedules", "schedules", "s"),
    Page("/workflows", "Workflows", "workflows", "w"),
    Page("/queues", "Queues", "queues", "q"),
    Page("/actors", "Actors", "actors", "a"),
)
