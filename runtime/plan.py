"""From a flow to the rows of its steps: everything is checked here, before anything is written."""

import graphlib
import inspect
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from dramatiq import Actor
from sqlalchemy import Select

from errors import BadArguments, BadRequest
from runtime import enqueue, payload
from runtime.flow import Chain, Chord, Each, Event, Flow, Graph, Group, Join, Node, OnFailure, Sleep, Step
from runtime.ids import uuid7
from runtime.options import Options

if TYPE_CHECKING:
    from runtime.broker import Broker

MOST_STEPS = 10_000
CHUNK = 500  # items a row
_PASSED = object()  # stands for what a predecessor will have returned
_OPTIONS = {
    "queue", "priority", "delay", "expires", "max_retries", "min_backoff", "max_backoff", "time_limit",
    "soft_time_limit",
}  # fmt: skip
_DEFAULTS = Options()


@dataclass(kw_only=True)
class PlannedStep:
    """A step's row to be."""

    number: int
    name: str
    kind: str
    join: Join = "all_succeeded"
    on_failure: OnFailure = "fail"
    state: str = "waiting"
    calls: list[dict[str, Any]] = field(default_factory=list)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    takes_result: bool = True
    spreads: bool = False
    undoes: int | None = None
    total: int | None = None
    max_parallel: int | None = None
    event: str | None = None
    seconds: float | None = None
    until: datetime | None = None
    items: "Sequence[Any] | Select[Any] | None" = None
    after: list[int] = field(default_factory=list)  # its predecessors, in order
    id: uuid.UUID = field(default_factory=uuid7)


@dataclass
class Plan:
    """The steps of a flow, each after its predecessors."""

    steps: list[PlannedStep] = field(default_factory=list)
    _names: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, flow: Flow) -> "Plan":
        """Raises BadRequest or BadArguments, naming the step."""
        plan = cls()
        plan._add(flow, [])
        if not plan.steps:
            raise BadRequest("The workflow has no steps.")
        return plan

    def _add(self, flow: Flow, after: list[int]) -> int:
        """Add a part that comes after these steps. Returns the number of the step that ends it."""
        if isinstance(flow, Step):
            return self._job(flow, after)
        if isinstance(flow, Each):
            return self._map(flow, after)
        if isinstance(flow, Sleep | Event):
            return self._wait(flow, after)
        if isinstance(flow, Chain):
            return self._chain(flow, after)
        if isinstance(flow, Group):
            return self._group(flow, after, "all_succeeded")
        if isinstance(flow, Chord):
            return self._add(flow.body, [self._group(flow.parts, after, flow.body.join)])
        if isinstance(flow, Graph):
            return self._graph(flow, after)
        raise BadRequest(f"{flow!r} is no part of a workflow. Make its parts with s, si, each, chain, group, graph, …")

    def _new(self, node: Node | None, kind: str, name: str, after: Sequence[int], **fields: Any) -> PlannedStep:
        if len(self.steps) >= MOST_STEPS:
            raise BadRequest(f"A workflow has at most {MOST_STEPS:,} steps. Use each() for many jobs of one kind.")
        if node is not None:
            fields |= {"join": node.join, "on_failure": node.on_failure}
            name = name if node.name is None else node.name
        payload.check(name, "a step's name")
        if not 0 < len(name) <= 200:
            raise BadRequest("A step's name has between 1 and 200 characters.")
        self._names[name] += 1
        name = name if self._names[name] == 1 else f"{name} ({self._names[name]})"
        step = PlannedStep(
            number=len(self.steps), name=name, kind=kind, after=list(dict.fromkeys(after)), **fields
        )  # fmt: skip
        self.steps.append(step)
        return step

    def _job(self, node: Step, after: list[int]) -> int:
        passed = (_PASSED,) if after and node.takes_result else ()
        _bind(node.actor, (*passed, *node.args), dict(node.kwargs))
        payload.encode_arguments(node.args, dict(node.kwargs))
        step = self._new(
            node, "job", node.actor.actor_name, after,
            calls=[_call(node.actor, node.options)], args=node.args, kwargs=dict(node.kwargs),
            takes_result=node.takes_result, total=1,
        )  # fmt: skip
        self._undo(step, node.undo)
        return step.number

    def _undo(self, step: PlannedStep, undo: Step | None) -> None:
        if undo is not None:
            if undo.undo is not None:
                raise BadRequest(f"The undo of {step.name!r} has an undo itself. Leave that out.")
            number = self._job(undo, [step.number])
            self.steps[number].name = undo.name or f"undo {step.name}"
            self.steps[number].state, self.steps[number].undoes = "held", step.number
            self.steps[number].on_failure, self.steps[number].join = "fail", "all_done"

    def _map(self, node: Each, after: list[int]) -> int:
        if node.items is None and len(after) == 0:
            raise BadRequest("each() without items takes the list that its predecessor returns, and here it has none.")
        _check_parallel(node.max_parallel)
        _bind(node.actor, (_PASSED, *node.args), dict(node.kwargs))
        payload.encode_arguments(node.args, dict(node.kwargs))
        total = None if node.items is None or isinstance(node.items, Select) else len(node.items)
        step = self._new(
            node, "map", node.actor.actor_name, after,
            calls=[_call(node.actor, node.options)], args=node.args, kwargs=dict(node.kwargs),
            takes_result=node.items is None, spreads=node.items is None, total=total, items=node.items,
            max_parallel=node.max_parallel,
        )  # fmt: skip
        self._undo(step, node.undo)
        return step.number

    def _wait(self, node: Sleep | Event, after: list[int]) -> int:
        if isinstance(node, Sleep):
            return self._new(node, "sleep", "sleep", after, seconds=node.seconds, until=node.until).number
        return self._new(node, "event", node.event, after, event=node.event, seconds=node.seconds).number

    def _chain(self, flow: Chain, after: list[int]) -> int:
        if not flow.parts:
            raise BadRequest("chain() has no parts.")
        for part in flow.parts:
            after = [self._add(part, after)]
        return after[0]

    def _group(self, flow: Group, after: list[int], join: Join) -> int:
        """Plain jobs are kept together as one step; anything else becomes steps of its own that meet in a join."""
        _check_parallel(flow.max_parallel)
        if join != "any_succeeded" and all(isinstance(part, Step) for part in flow.parts):
            parts = cast("tuple[Step, ...]", flow.parts)
            if all(_is_plain(part) and part.on_failure == parts[0].on_failure for part in parts):
                return self._fan(parts, after, flow.max_parallel)
        ends = [self._add(part, after) for part in flow.parts]
        return self._new(None, "join", "join", ends, join=join).number

    def _fan(self, parts: tuple[Step, ...], after: list[int], max_parallel: int) -> int:
        calls: list[dict[str, Any]] = []
        places: dict[tuple[str, Options, bool], int] = {}
        items = []
        for part in parts:
            passed = (_PASSED,) if after and part.takes_result else ()
            _check_options(part.options)
            _bind(part.actor, (*passed, *part.args), dict(part.kwargs))
            key = (part.actor.actor_name, part.options, part.takes_result)
            if key not in places:
                places[key] = len(calls)
                calls.append({**_call(part.actor, part.options), "takes_result": part.takes_result})
            payload.encode_arguments(part.args, dict(part.kwargs))
            items.append([places[key], list(part.args), dict(part.kwargs)])
        names = list(dict.fromkeys(part.actor.actor_name for part in parts))
        return self._new(
            None, "group", " + ".join(names[:3]) or "empty group", after, calls=calls, items=items, total=len(items),
            takes_result=any(part.takes_result for part in parts), max_parallel=max_parallel,
            on_failure=parts[0].on_failure if parts else "fail",
        ).number  # fmt: skip

    def _graph(self, flow: Graph, after: list[int]) -> int:
        if not flow.depends_on:
            raise BadRequest("graph() has no parts.")
        unknown = {one for needed in flow.depends_on.values() for one in needed} - flow.depends_on.keys()
        if unknown:
            raise BadRequest("graph(): some parts that others depend on are no keys of it. Add them: {a: []}.")
        ends: dict[Flow, int] = {}
        try:
            for part in graphlib.TopologicalSorter(flow.depends_on).static_order():
                needed = flow.depends_on[part]
                ends[part] = self._add(part, [ends[one] for one in needed] if needed else after)
        except graphlib.CycleError:
            raise BadRequest("graph(): its parts depend on each other in a circle.") from None
        inner = {one for needed in flow.depends_on.values() for one in needed}
        last = [ends[part] for part in flow.depends_on if part not in inner]
        return last[0] if len(last) == 1 else self._new(None, "join", "join", last).number


def _is_plain(step: Step) -> bool:
    return step.undo is None and step.join == "all_succeeded" and step.name is None


def _check_parallel(number: int) -> None:
    if not 1 <= number <= 100_000:
        raise BadRequest(f"max_parallel {number} is not within 1 and 100,000.")


def _bind(actor: Actor[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises BadArguments, saying that a result comes first where that is what does not fit."""
    try:
        enqueue.bind(actor, args, kwargs)
    except BadArguments as error:
        hint = " Its first argument is what its predecessor returned; use si() for a step that takes none."
        shown = f"{actor.actor_name}{inspect.signature(actor.fn)} cannot be called so in this place."
        raise BadArguments(f"{shown}{hint}" if _PASSED in args else str(error), error.path) from None


def _check_options(options: Options) -> None:
    for name, value in vars(options).items():
        if name not in _OPTIONS and value != getattr(_DEFAULTS, name):
            raise BadRequest(f"A step cannot have the option {name}. It can have {', '.join(sorted(_OPTIONS))}.")


def _call(actor: Actor[Any, Any], options: Options) -> dict[str, Any]:
    """What the rows of a step's jobs have in common."""
    _check_options(options)
    of_message = options.of_message()
    queue, priority = enqueue.place(actor, options)
    broker = cast("Broker", actor.broker)
    return {
        "actor": actor.actor_name,
        "queue": queue,
        "priority": priority,
        "max_attempts": broker.retries.max_attempts(actor, of_message),
        "options": of_message or None,
        "delay": options.delay.total_seconds() if options.delay else 0.0,
        "expires": broker.limits.expires(actor, options.expires),
    }
