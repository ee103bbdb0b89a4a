"""A workflow as a drawing: steps in layers from left to right, lines from each to those that come after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.workflow_views import Place

WIDTH, HEIGHT = 190, 54  # of a step
_APART, _BELOW = 60, 18  # between layers, and between steps of one
_MARGIN = 10


@dataclass(frozen=True)
class Node:
    place: Place
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """From the right of one step to the left of another. `is_met`: what it waits for has succeeded."""

    path: str
    is_met: bool


@dataclass(frozen=True)
class Drawing:
    nodes: list[Node]
    lines: list[Line]
    width: float
    height: float


def draw(places: Sequence[Place]) -> Drawing:
    """In each layer the steps stand in the order of what they come after, so that few lines cross."""
    layers: dict[int, list[Place]] = {}
    for place in places:
        layers.setdefault(place.layer, []).append(place)
    rows: dict[str, float] = {}
    nodes: dict[str, Node] = {}
    most = max((len(layer) for layer in layers.values()), default=1)
    for number in sorted(layers):
        layer = sorted(layers[number], key=lambda place: _wanted(place, rows))
        top = (most - len(layer)) / 2  # in the middle
        for index, place in enumerate(layer):
            rows[place.step.name] = top + index
            x = _MARGIN + number * (WIDTH + _APART)
            nodes[place.step.name] = Node(place, x, _MARGIN + (top + index) * (HEIGHT + _BELOW))
    return Drawing(
        list(nodes.values()),
        [_line(nodes[name], nodes[place.step.name]) for place in places for name in place.after if name in nodes],
        2 * _MARGIN + len(layers) * (WIDTH + _APART) - _APART,
        2 * _MARGIN + most * (HEIGHT + _BELOW) - _BELOW,
    )


def _wanted(place: Place, rows: Mapping[str, float]) -> tuple[float, int]:
    """Beside the middle of what it comes after."""
    before = [rows[name] for name in place.after if name in rows]
    return (sum(before) / len(before) if before else float(place.row), place.row)


def _line(start: Node, end: Node) -> Line:
    x1, y1, x2, y2 = start.x + WIDTH, start.y + HEIGHT / 2, end.x, end.y + HEIGHT / 2
    middle = (x1 + x2) / 2
    path = f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
    return Line(path, start.place.step.state in ("succeeded", "skipped"))
