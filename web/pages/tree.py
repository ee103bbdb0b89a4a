"""JSON as a tree that opens and closes, without a script."""

from typing import Any

from markupsafe import Markup

_OPEN = 20  # items of an object or a list that are shown open
_MOST = 500  # items of one that are shown at all
_TEXT = 4_000  # characters of a text


def tree(value: Any, path: str = "") -> Markup:
    """The value; texts are cut at 4,000 characters and lists at 500 items, and say so."""
    return Markup('<div class="json">{}</div>').format(_node(value))


def _node(value: Any) -> Markup:
    if isinstance(value, dict):
        return _many([(Markup('<span class="key">{}</span>: ').format(key), item) for key, item in value.items()], "{}")
    if isinstance(value, list | tuple):
        return _many([(Markup(), item) for item in value], "[]")
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return Markup('<span class="literal">{}</span>').format({None: "null", True: "true", False: "false"}[value])
    return Markup('<span class="number">{}</span>').format(value)


def _text(value: str) -> Markup:
    cut = Markup(' <span class="muted">… {} characters in all</span>').format(f"{len(value):,}")
    return Markup('<span class="string">"{}"</span>{}').format(value[:_TEXT], cut if len(value) > _TEXT else "")


def _many(items: list[tuple[Markup, Any]], brackets: str) -> Markup:
    if not items:
        return Markup('<span class="literal">{}</span>').format(brackets)
    rows = Markup().join(Markup("<li>{}{}</li>").format(key, _node(item)) for key, item in items[:_MOST])
    if len(items) > _MOST:
        rows += Markup('<li class="muted">… {} more</li>').format(f"{len(items) - _MOST:,}")
    opened = Markup(" open") if len(items) <= _OPEN else Markup()
    return Markup("<details{}><summary>{}</summary><ul>{}</ul></details>").format(
        opened, f"{brackets[0]} {len(items)} {brackets[1]}", rows
    )
