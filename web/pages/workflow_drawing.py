"""A workflow as a drawing: steps in layers from left to right, lines from each to those that come after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from services.workflow_views import Place

WIDTH, HEIGHT = 200, 54  # of a step
_APART, _BELOW = 60, 18  # between layers, and between steps of one
_MARGIN = 10


@dataclass(frozen=True)
class Node:
    place: Place
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """From the right of one step to the left of another. `is_met`: what it waits for has succeeded; `is_critical`: it
    is part of the critical path."""

    path: str
    is_met: bool
    is_critical: bool


@dataclass(frozen=True)
class Drawing:
    nodes: list[Node]
    lines: list[Line]
    width: float
    height: float


@dataclass(frozen=True)
class _Slot:
    """A place in a layer: a step's, or one that is kept free for a line which passes through."""

    name: str
    after: tuple[str, ...]
    row: int


def critical_path(places: Sequence[Place], now: datetime) -> list[str]:
    """The steps that made the workflow as long as it is so far, first to last: each of them began when the one before
    had ended, and the last of them ended last, or goes still."""
    steps = {place.step.name: place for place in places if place.step.started_at is not None}

    def end(name: str) -> datetime:
        return steps[name].step.finished_at or now

    path: list[str] = []
    before = list(steps)
    while before:
        path.append(max(before, key=end))
        before = [name for name in steps[path[-1]].after if name in steps]
    return path[::-1]


def draw(places: Sequence[Place], critical: Sequence[str] = ()) -> Drawing:
    """In each layer the steps stand in the order of what they come after, so that few lines cross."""
    layers = _layers(places)
    most = max((len(layer) for layer in layers), default=1)
    points: dict[str, tuple[float, float]] = {}  # the left upper corner of each slot
    for number, layer in enumerate(layers):
        top = (most - len(layer)) / 2  # in the middle
        for index, slot in enumerate(sorted(layer, key=lambda slot: _wanted(slot, points))):
            x, y = number * (WIDTH + _APART), (top + index) * (HEIGHT + _BELOW)
            points[slot.name] = _MARGIN + x, _MARGIN + y
    layer_of = {place.step.name: place.layer for place in places}
    state_of = {place.step.name: place.step.state for place in places}
    pairs = set(pairwise(critical))
    lines = [
        Line(
            _path(points, [name, *_passed(name, layer_of[name], place.layer), place.step.name]),
            state_of[name] in ("succeeded", "skipped"),
            (name, place.step.name) in pairs,
        )
        for place in places
        for name in place.after
    ]
    return Drawing(
        [Node(place, *points[place.step.name]) for place in places],
        lines,
        2 * _MARGIN + len(layers) * (WIDTH + _APART) - _APART,
        2 * _MARGIN + most * (HEIGHT + _BELOW) - _BELOW,
    )


def _layers(places: Sequence[Place]) -> list[list[_Slot]]:
    layers: list[dict[str, _Slot]] = [{} for _ in range(max((place.layer for place in places), default=-1) + 1)]
    layer_of = {place.step.name: place.layer for place in places}
    for place in places:
        before = []
        for name in place.after:
            last = name
            for number, passed in enumerate(_passed(name, layer_of[name], place.layer), layer_of[name] + 1):
                layers[number].setdefault(passed, _Slot(passed, (last,), place.row))
                last = passed
            before.append(last)
        layers[place.layer][place.step.name] = _Slot(place.step.name, tuple(before), place.row)
    return [list(layer.values()) for layer in layers]


def _passed(name: str, start: int, end: int) -> list[str]:
    """The slots between a step and one that comes after it, in layers further on."""
    return [f"{name}\0{number}" for number in range(start + 1, end)]


def _wanted(slot: _Slot, points: Mapping[str, tuple[float, float]]) -> tuple[float, int]:
    """Beside the middle of what it comes after."""
    before = [points[name][1] for name in slot.after]
    return (sum(before) / len(before) if before else float(slot.row), slot.row)


def _path(points: Mapping[str, tuple[float, float]], names: Sequence[str]) -> str:
    """A curve between two layers, and straight on through what it passes."""
    x, y = points[names[0]]
    path = f"M{x + WIDTH:g} {y + HEIGHT / 2:g}"
    for name in names[1:]:
        (left, top), right, level = points[name], x + WIDTH, y + HEIGHT / 2
        middle = (left + right) / 2
        path += f"C{middle:g} {level:g} {middle:g} {top + HEIGHT / 2:g} {left:g} {top + HEIGHT / 2:g}"
        if name != names[-1]:
            path += f"H{left + WIDTH:g}"
        x, y = left, top
    return path
