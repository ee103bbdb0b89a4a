"""/jobs/suggestions: what the word that is being typed into the search box may become."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from services import suggestions
from services.search import State
from services.suggestions import Kind, Suggestion
from web.pages.query import NAMES, TIMES, Term, being_typed, quoted
from web.pages.rendering import environment
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

MEANINGS = {
    "state": "queued, running, failed, …", "actor": "the actor's name", "queue": "where it waits",
    "owner": "who made it", "tag": "one of its tags", "worker": "that runs or ended it",
    "parent": "the job that made it", "key": "its unique key", "type": "the class of its error",
    "error": "text within its error", "group": "the group of its error", "schedule": "that fired it",
    "workflow": "that it is a step of", "arg": "text within its arguments", "id": "the job itself",
    "created": "<2h, >3d, 2026-11-01..2026-11-05", "finished": "<2h, >3d, 2026-11-01..2026-11-05",
}  # fmt: skip
AGES = {
    "<15m": "within the last 15 minutes", "<1h": "within the last hour", "<24h": "within the last day",
    "<7d": "within the last week", ">1h": "more than an hour ago", ">24h": "more than a day ago",
}  # fmt: skip
KINDS: dict[str, Kind] = {
    "actor": "actor", "queue": "queue", "owner": "owner", "tag": "tag", "type": "error_type", "group": "error_group",
    "schedule": "schedule", "workflow": "workflow", "worker": "worker",
}  # fmt: skip
_ENOUGH = 2  # characters of a word without a name that say something


@dataclass(frozen=True)
class Option:
    """What the word becomes, and what that means. After a whole one comes a space, after a name its value."""

    text: str
    hint: str


@router.get("/jobs/suggestions")
async def page(session: Transaction, q: Annotated[str, Query(max_length=1_000)] = "") -> Response:
    """`q` is what stands in the box up to the caret."""
    term = being_typed(q)
    before, options = q.removesuffix(term.text), await _options(session, term)
    # No page: what is to be said on the next one waits for that.
    return HTMLResponse(environment.get_template("jobs/suggestions.html").render(before=before, options=options))


async def _options(session: AsyncSession, term: Term) -> list[Option]:
    if term.name:
        return list(_whole(term.name, await _values(session, term.name, term.value)))
    names = [Option(f"{name}:", MEANINGS[name]) for name in NAMES if name.startswith(term.value.lower())]
    if len(term.value) < _ENOUGH:
        return names
    found = [*_whole("state", _states(term.value))]
    for name in ("actor", "queue"):
        found += _whole(name, await _values(session, name, term.value))
    return [*names, *found][: suggestions.MOST]


async def _values(session: AsyncSession, name: str, typed: str) -> list[Suggestion]:
    if name == "state":
        return _states(typed)
    if name in TIMES:
        return [Suggestion(value, hint) for value, hint in AGES.items() if value.startswith(typed)]
    return await suggestions.values(session, KINDS[name], typed) if name in KINDS else []


def _states(typed: str) -> list[Suggestion]:
    return [Suggestion(state) for state in get_args(State) if state.startswith(typed.lower())]


def _whole(name: str, found: Iterable[Suggestion]) -> Iterable[Option]:
    return (Option(f"{name}:{quoted(one.value)} ", one.hint) for one in found)
