"""What a workflow is made of, as plain data: steps, and how they depend on each other. Nothing here touches a database.

    chain(s(fetch, url), s(parse), s(store))                  one after the other, given what the one before returned
    chord(group(s(resize, 1), s(resize, 2)), s(report))       all at once, then the body with the list of their results
    chain(s(find), each(resize), s(report))                   a job for each item of what `find` returned
    a, b, c = s(load), s(check), s(save)
    graph({a: [], b: [a], c: [a, b]})                         whatever depends on whatever

`s(actor, …)` is given its predecessors' results before its own arguments: the result of its one predecessor, or the
list of all of theirs, in order. `si(actor, …)` gets its own arguments only. They nest without limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, ParamSpec, Self, TypeVar

from dramatiq import Actor
from sqlalchemy import Select

from errors import BadRequest
from runtime.options import Options

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Flow")

Join = Literal["all_succeeded", "all_done", "any_succeeded"]
OnFailure = Literal["fail", "continue", "compensate"]

MAX_PARALLEL = 2_000  # jobs of one group or map at a time, unless it says otherwise
_LONGEST = timedelta(days=3660)


class Flow:
    """Anything that can be started as a workflow, or be a part of one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Node(Flow):
    """A step. What may be said of any:

    `join` decides when it begins: `all_succeeded` (all its predecessors did), `all_done` (all have ended, however), or
    `any_succeeded` (the first has). Where that cannot come true any more, the step is cancelled.
    `on_failure` decides what its failure does: `fail` the workflow and cancel what waits; `continue` with whatever does
    not need it; or `compensate`: as `fail`, and then undo what had succeeded, the last first.
    """

    name: str | None = None  # default: the actor's
    join: Join = "all_succeeded"
    on_failure: OnFailure = "fail"

    def named(self, name: str) -> Self:
        return replace(self, name=name)

    def joining(self, join: Join) -> Self:
        return replace(self, join=join)

    def failing(self, on_failure: OnFailure) -> Self:
        return replace(self, on_failure=on_failure)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step(Node):
    """One job."""

    actor: Actor[Any, Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    takes_result: bool = True
    options: Options = field(default_factory=Options)
    undo: "Step | None" = None

    def having(self, options: Options) -> Self:
        """With these options: queue, priority, delay, retries, backoff, time limits."""
        return replace(self, options=options)

    def undone_by(self, undo: "Step") -> Self:
        """Should the workflow compensate after this step has succeeded, `undo` is run; `s(…)` is given its result."""
        return replace(self, undo=undo)


@dataclass(frozen=True, eq=False, kw_only=True)
class Each(Node):
    """A job for each item, so many at a time; its result is the list of theirs, in the order of the items."""

    actor: Actor[Any, Any]
    items: Sequence[Any] | Select[Any] | None  # None: what its predecessor returned
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    max_parallel: int = MAX_PARALLEL
    undo: Step | None = None

    def having(self, options: Options) -> Self:
        return replace(self, options=options)

    def undone_by(self, undo: Step) -> Self:
        return replace(self, undo=undo)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sleep(Node):
    """Nothing, for a while. Its result is None."""

    seconds: float | None = None
    until: datetime | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Event(Node):
    """Waits for somebody to say that something has happened; its result is what was said. Holds no worker."""

    event: str
    seconds: float | None = None  # after which it fails


@dataclass(frozen=True, eq=False)
class Chain(Flow):
    parts: tuple[Flow, ...]


@dataclass(frozen=True, eq=False)
class Group(Flow):
    parts: tuple[Flow, ...]
    max_parallel: int = MAX_PARALLEL


@dataclass(frozen=True, eq=False)
class Chord(Flow):
    parts: Group
    body: Node


@dataclass(frozen=True, eq=False)
class Graph(Flow):
    depends_on: Mapping[Flow, Sequence[Flow]]


def s(actor: Actor[..., Any], *args: Any, **kwargs: Any) -> Step:
    """A step that is given its predecessors' results before these arguments."""
    return Step(actor=actor, args=args, kwargs=kwargs)


def si(actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Step:
    """An immutable step: given these arguments only."""
    return Step(actor=actor, args=args, kwargs=kwargs, takes_result=False)


def each(
    actor: Actor[..., Any],
    items: Sequence[Any] | Select[Any] | None = None,
    *args: Any,
    max_parallel: int = MAX_PARALLEL,
    **kwargs: Any,
) -> Each:
    """`actor(item, *args, **kwargs)` for each item of a list, each row of a query (read when the workflow starts: the
    value of its one column, or a dict of them), or each item of the list that the predecessor returned.

    A hundred thousand items are no hundred thousand rows: jobs are made `max_parallel` at a time.
    """
    return Each(actor=actor, items=items, args=args, kwargs=kwargs, max_parallel=max_parallel)


def chain(*parts: Flow) -> Chain:
    """One after the other."""
    return Chain(parts)


def group(*parts: Flow, max_parallel: int = MAX_PARALLEL) -> Group:
    """All at once; the result is the list of theirs, in order."""
    return Group(parts, max_parallel)


def chord(parts: Group | Sequence[Flow], body: Node) -> Chord:
    """A group, and a body that is given the list of its results. The body runs once, whatever dies when."""
    return Chord(parts if isinstance(parts, Group) else Group(tuple(parts)), body)


def graph(depends_on: Mapping[F, Sequence[Flow]]) -> Graph:
    """What depends on what: `graph({a: [], b: [a], c: [a]})`. Its result is that of its one last part, or the list of
    those of all its last parts."""
    return Graph({part: tuple(needed) for part, needed in depends_on.items()})


def sleep(delay: float | timedelta) -> Sleep:
    """Wait so long (seconds or a timedelta) once it is its turn."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    _check_wait(seconds, "delay")
    return Sleep(seconds=seconds, name="sleep")


def sleep_until(moment: datetime) -> Sleep:
    """Wait until then; a moment that has passed is no wait."""
    if moment.tzinfo is None:
        raise BadRequest("sleep_until: the moment has no time zone. Use datetime.now(UTC) + ... or add tzinfo.")
    return Sleep(until=moment, name="sleep")


def wait_for(event: str, timeout: float | timedelta | None = None) -> Event:
    """Wait for `POST /api/v1/workflows/{id}/events/{event}`; fail after `timeout` (seconds or a timedelta)."""
    if not 0 < len(event) <= 100 or not event.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise BadRequest(f"wait_for: {event!r} is no event's name. Use letters, digits, dots and dashes, at most 100.")
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is not None:
        _check_wait(seconds, "timeout")
    return Event(event=event, seconds=seconds, name=event)


def _check_wait(seconds: float, what: str) -> None:
    if not 0 <= seconds <= _LONGEST.total_seconds():
        raise BadRequest(f"{what} {seconds:g} s is not within 0 and {_LONGEST.days} days.")
