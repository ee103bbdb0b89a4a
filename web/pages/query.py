"""What people type into the search box, and what it asks for.

    actor:send_email state:failed error:"timed out" created:>2d   order-4711

A word with a name before it asks for that; a word alone is looked for in the arguments. Quotes hold a value together.
Times are `2026-11-25`, `2026-11-25T08:00`, or an age (`5m`, `2h`, `3d`): `created:<2h` is younger than two hours,
`created:>2h` older, `created:2026-11-01..2026-11-05` between the two.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from pydantic import ValidationError

from errors import Forbidden
from services import search
from services.callers import Caller
from services.search import Filter, State

NAMES = {
    "state": "state", "actor": "actor", "queue": "queue", "owner": "owner", "tag": "tags", "worker": "worker",
    "parent": "parent_id", "key": "unique_key", "type": "error_type", "error": "error", "group": "error_group",
    "schedule": "schedule_id", "workflow": "workflow_id", "arg": "arguments", "id": "id", "created": "created",
    "finished": "finished",
}  # fmt: skip
TIMES = ("created", "finished")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_AGE = re.compile(r"^(\d+(?:\.\d+)?)([smhdw])$")


@dataclass(frozen=True)
class Term:
    """One word of it; `text` is what it was typed as."""

    name: str
    value: str
    text: str


@dataclass(frozen=True)
class Query:
    text: str
    terms: tuple[Term, ...]
    filter: Filter
    job_id: uuid.UUID | None  # it asks for this one job
    problems: tuple[str, ...]  # what was not understood, and is left out

    def without(self, term: Term) -> str:
        """The same query less one term."""
        return " ".join(other.text for other in self.terms if other is not term)

    def for_caller(self, caller: Caller) -> "Query":
        """The same query less what this caller may not search for, which is another problem."""
        try:
            search.require(self.filter, caller)
        except Forbidden as error:
            allowed = self.filter.model_copy(update={"arguments": None, "error": None})
            return replace(self, filter=allowed, problems=(*self.problems, str(error)))
        return self

    def having(self, name: str, value: str) -> str:
        """The same query, asking for another value there; for none where it is empty."""
        kept = [term.text for term in self.terms if term.name != name]
        return " ".join([*kept, f"{name}:{quoted(value)}"] if value else kept)

    def within(self, name: str, value: str) -> str:
        """The same query, asking for that stretch of one of a job's times alone; for any time where it is empty."""
        kept = [term.text for term in self.terms if term.name not in TIMES]
        return " ".join([*kept, f"{name}:{value}"] if value else kept)


def quoted(value: str) -> str:
    """A value as it is typed."""
    return f'"{value}"' if re.search(r"\s", value) else value


def parse(text: str, now: datetime | None = None) -> Query:
    """Read it. What cannot be understood is a problem in words; the rest still counts."""
    now = now or datetime.now(UTC)
    problems: list[str] = []
    terms = [_term(word) for word in _words(text)]
    values: dict[str, Any] = {}
    loose: list[str] = []
    for term in terms:
        try:
            if term.name == "":
                loose.append(term.value)
            elif term.name in TIMES:
                values |= _times(term, now)
            elif term.name == "tag":
                values["tags"] = (*values.get("tags", ()), term.value)
            else:
                values[NAMES[term.name]] = _READ.get(term.name, str)(term.value)
        except OverflowError:
            problems.append(f"{term.value!r} is too far away.")
        except ValueError as error:
            problems.append(str(error))
    job_id = values.pop("id", None)
    if len(loose) == 1 and job_id is None and not values:
        job_id = _id_or_none(loose[0])
    if loose and job_id is None:
        values["arguments"] = " ".join(loose)
    return Query(text, tuple(terms), _filter(values, problems), job_id, tuple(problems))


def being_typed(text: str) -> Term:
    """The word at whose end the caret is; nothing after a space that no quote holds."""
    words = list(_WORD.finditer(text))
    return _term(words[-1][0] if words and words[-1].end() == len(text) else "")


def _words(text: str) -> list[str]:
    """A quote that is not closed goes to the end."""
    return _WORD.findall(text)


def _term(word: str) -> Term:
    name, colon, value = word.partition(":")
    if colon and name.lower() in NAMES:
        return Term(name.lower(), value.strip('"'), word)
    return Term("", word.strip('"'), word)


def _filter(values: dict[str, Any], problems: list[str]) -> Filter:
    try:
        return Filter(**values)
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = str(problem["loc"][0])
            problems.append(f"{name}: {problem['msg']}")
            values.pop(name, None)
        return Filter(**values)


def _state(value: str) -> str:
    if value not in get_args(State):
        raise ValueError(f"There is no state {value!r}. There are: {', '.join(get_args(State))}.")
    return value


def _id(value: str) -> uuid.UUID:
    found = _id_or_none(value)
    if found is None:
        raise ValueError(f"{value!r} is not an id (a UUID).")
    return found


def _id_or_none(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


_READ: dict[str, Callable[[str], Any]] = {
    "state": _state, "id": _id, "worker": _id, "parent": _id, "schedule": _id, "workflow": _id,
}  # fmt: skip


def _times(term: Term, now: datetime) -> dict[str, datetime]:
    after, before = f"{term.name}_after", f"{term.name}_before"
    start, dots, end = term.value.partition("..")
    if dots:
        return {name: _moment(value, now) for name, value in ((after, start), (before, end)) if value}
    if term.value[:1] in "<>":
        at = _moment(term.value[1:], now)
        is_age = _AGE.match(term.value[1:]) is not None
        return {after if (term.value[0] == ">") is not is_age else before: at}
    at = _moment(term.value, now)
    if _AGE.match(term.value):
        return {after: at}
    return {after: at, before: at + timedelta(days=1 if len(term.value) <= 10 else 0, minutes=len(term.value) > 10)}


def _moment(value: str, now: datetime) -> datetime:
    age = _AGE.match(value)
    if age:
        return now - timedelta(seconds=float(age[1]) * _UNITS[age[2]])
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is no time. Write 2026-11-25, 2026-11-25T08:00, or an age like 2h or 3d."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
